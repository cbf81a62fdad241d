"""What a measuring process does: `python -m benchmarks.child MODULE FUNCTION ARGUMENTS`, which prints JSON."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import django

if __name__ == "__main__":
    module, function, arguments = sys.argv[1:]
    django.setup()
    result = getattr(import_module(f"benchmarks.{module}"), function)(**json.loads(arguments))
    sys.stdout.write(json.dumps(result))
