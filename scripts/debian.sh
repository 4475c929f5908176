#!/usr/bin/env bash
# Debian packages that the checks and tests need. Says first which are missing and why, then installs them as root.
#
#   debian.sh PACKAGE...             install the missing ones; fails where that is not possible (no root, no apt-get)
#   debian.sh --missing PACKAGE...   only print the missing ones, one a line, with the reason; never fails
#
# SYSTEM_PACKAGES=no keeps it from installing: it names what is missing, and what needs it is not run.
set -euo pipefail

# Any of these programs will do instead of the package; python3-venv has none.
declare -A programs=(
  [chromium-headless-shell]="chromium-headless-shell chromium chromium-browser google-chrome"
  [faketime]="faketime"
  [gcc]="cc gcc clang"
  [lua-check]="luacheck"
  [python3-venv]=""
  [redis-server]="redis-server"
)
declare -A reasons=(
  [chromium-headless-shell]="the tests in tests/pages use the pages in a real browser"
  [faketime]="tests/keeper/test_clock.py sets the clock of a lock master back; the load tester's step-clock needs it, too"
  [gcc]="tests/loadtest/test_bench.py compiles the benchmarks' clients, which are written in C"
  [lua-check]="make lua looks for mistakes in the Lua functions"
  [python3-venv]="everything from PyPI is installed in .venv"
  [redis-server]="the Lua functions and a whole installation are tested on Redis as well as on Valkey"
)

has_one_of() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 && return 0
  done
  return 1
}

only_print=
if [ "$1" = --missing ]; then
  only_print=1
  shift
fi
missing=()
for package in "$@"; do
  # shellcheck disable=SC2086  # a list
  has_one_of ${programs[$package]} || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
[ -n "$only_print" ] || echo "Missing Debian packages, and what needs them:"
for package in "${missing[@]}"; do
  echo "  $package: ${reasons[$package]}"
done
[ -z "$only_print" ] || exit 0

if [ "${SYSTEM_PACKAGES:-}" = no ]; then
  echo "They are not installed (SYSTEM_PACKAGES=no): what needs them is listed as not run."
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Install them as root:  apt-get install ${missing[*]}" >&2
  echo "Or set SYSTEM_PACKAGES=no: what needs them is then listed as not run." >&2
  exit 1
fi
echo "Installing them (SYSTEM_PACKAGES=no prevents it) ..."
exec 9<"$0"
flock 9 # one apt-get at a time: steps that run beside each other may both need packages
export DEBIAN_FRONTEND=noninteractive
# apt must not start a service: the tests start their own servers.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  made=1
fi
trap '[ -z "$made" ] || rm -f $policy' EXIT
apt-get update -qq
apt-get install -y -qq "${missing[@]}" >/dev/null
