"""What a batch costs, beside everything that it could be compared with: `python -m benchmarks --help`.

The command only starts processes and reads what they print, so that nothing measured has another's state. Of the
modules, `scenarios` says what is asked for, `subjects` how it is sent; the others each measure in one way, or report.
"""

import os
import sys

# Before anything else: what is measured may be another checkout than the one that these files are in.
if checkout := os.environ.get("BENCHMARKS_CHECKOUT"):
    sys.path.insert(0, checkout)
