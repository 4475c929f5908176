#!/usr/bin/env bash
# Print the branch coverage of the last test run: the total, and the files with the least.
set -euo pipefail
cd "$(dirname "$0")/.."
report=$(.venv/bin/coverage report --skip-covered)
head -2 <<<"$report"
sed -n '3,17p' <<<"$report"
echo "... (.venv/bin/coverage report prints all files)"
grep ^TOTAL <<<"$report"
