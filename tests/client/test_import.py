"""The client is imported by programs that have no Django settings, or no Django."""

import subprocess
import sys

IMPORT = """
import sys
sys.modules["django"] = sys.modules["rest_framework"] = sys.modules["asgiref"] = None  # as if they were not installed
import django_batch.client
print(*django_batch.client.__all__)
"""


def test_client_needs_no_django():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert "BatchTransport" in done.stdout
