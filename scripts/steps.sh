#!/usr/bin/env bash
# Run make targets one after the other: say what each does, and how long it took. Stops at the first that fails.
#
#   PACKAGES="gcc ..." steps.sh TARGET...
#
# With SYSTEM_PACKAGES=no some of PACKAGES may be missing. Then it fails after the last step: not everything was run.
set -euo pipefail
cd "$(dirname "$0")/.."
run=$SECONDS
for step in "$@"; do
  what=$(sed -nE "s/^$step:[^#]*## //p" Makefile)
  echo "==> $step: $what"
  start=$SECONDS
  if ! "${MAKE:-make}" --no-print-directory "$step"; then
    echo "==> $step: FAILED after $((SECONDS - start)) s" >&2
    exit 1
  fi
  echo "==> $step: ok, $((SECONDS - start)) s"
done
missing=$(bash scripts/debian.sh --missing $PACKAGES)
if [ -n "$missing" ]; then
  printf '==> NOT EVERYTHING WAS RUN: Debian packages are missing\n%s\n' "$missing" >&2
  exit 1
fi
echo "==> $# steps: ok, $((SECONDS - run)) s"
