#!/usr/bin/env bash
# Run steps one after the other: say what each does, and how long it took. Stops after the first that fails.
#
#   PACKAGES="gcc ..." steps.sh STEP...
#
# A step is a make target, or several ("lint types") that run beside each other: the first prints at once, each other
# when it has ended. What a target depends on is made by two jobs: packages from PyPI and from npm are installed at the
# same time.
# With SYSTEM_PACKAGES=no some of PACKAGES may be missing. Then it fails after the last step: not everything was run.
set -euo pipefail
cd "$(dirname "$0")/.."
run=$SECONDS

run_target() {
  local start=$SECONDS
  echo "==> $1: $(sed -nE "s/^$1:[^#]*## //p" Makefile)"
  if ! "${MAKE:-make}" --no-print-directory --jobs=2 "$1"; then
    echo "==> $1: FAILED after $((SECONDS - start)) s"
    return 1
  fi
  echo "==> $1: ok, $((SECONDS - start)) s"
}

# Names the targets that failed in $failed.
run_beside() {
  local target
  outputs=$(mktemp -d)
  running=""
  trap 'for job in $running; do kill -- "-$job"; done; rm -rf "$outputs"' EXIT
  set -m # a process group for each, to end it as a whole
  run_target "$1" &
  running="$!"
  touch "$outputs/$1"
  for target in "${@:2}"; do
    run_target "$target" >"$outputs/$target" 2>&1 &
    running="$running $!"
  done
  set +m
  for target in "$@"; do
    running=${running# }
    wait "${running%% *}" || failed="$failed $target"
    running=${running#"${running%% *}"}
    cat "$outputs/$target"
  done
}

for step in "$@"; do
  failed=
  case $step in
    *\ *) run_beside $step ;;
    *) run_target "$step" || failed=" $step" ;;
  esac
  if [ -n "$failed" ]; then
    echo "==> FAILED:$failed, after $((SECONDS - run)) s" >&2
    exit 1
  fi
done
missing=$(bash scripts/debian.sh --missing $PACKAGES)
if [ -n "$missing" ]; then
  printf '==> NOT EVERYTHING WAS RUN: Debian packages are missing\n%s\n' "$missing" >&2
  exit 1
fi
echo "==> $# steps: ok, $((SECONDS - run)) s"
