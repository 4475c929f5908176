#!/usr/bin/env bash
# See that Debian packages are there; install the missing ones where that is possible (apt, root).
set -euo pipefail
# Any of these programs will do instead of the package; python3-venv has none.
declare -A programs=([chromium]="chromium chromium-browser google-chrome" [redis-server]="redis-server" [python3-venv]="")
has_one_of() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 && return 0
  done
  return 1
}
missing=()
for package in "$@"; do
  # shellcheck disable=SC2086  # a list
  has_one_of ${programs[$package]} || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "please install: ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# No service is started by an installation: the tests start their own servers.
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
