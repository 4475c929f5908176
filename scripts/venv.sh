#!/usr/bin/env bash
# Make .venv with the given python3 (>= 3.11).
set -euo pipefail
python=$1
"$python" - <<'P' || { echo "TickingTickets needs python3 >= 3.11" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
P
if ! "$python" -m ensurepip --version >/dev/null 2>&1; then
  # Debian splits venv from Python.
  bash "$(dirname "$0")/debian.sh" python3-venv
fi
"$python" -m venv .venv
