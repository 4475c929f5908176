#!/usr/bin/env bash
# install.sh WHAT...   installs Python packages into .venv
#
# With uv, which takes half of pip's CPU time; with pip where uv fails. uv reads none of pip's settings, such as an index
# or a folder of wheels of one's own.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
with_pip() {
  "$python" -m pip --disable-pip-version-check -q install -c constraints.txt "$@"
}
with_uv() {
  with_pip uv && UV_HTTP_TIMEOUT=15 .venv/bin/uv pip install -q --compile-bytecode --python "$python" -c constraints.txt "$@"
}
with_uv "$@" || { echo "uv can't install the packages here; pip does" >&2 && with_pip "$@"; }
