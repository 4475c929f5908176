#!/usr/bin/env bash
# Look for mistakes in the Lua functions with luacheck (Debian: lua-check), in the form in which a master loads them.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/debian.sh lua-check
if ! command -v luacheck >/dev/null; then
  echo "not run: there is no luacheck"
  exit 0
fi
.venv/bin/python -m realtime.locks.library | luacheck --no-color -
