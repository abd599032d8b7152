"""Starts a program as its child, waits for it, and ends as it did: start.py PROGRAM [ARGUMENT…]."""

import subprocess
import sys

sys.exit(subprocess.run(sys.argv[1:]).returncode)
