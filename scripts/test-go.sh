#!/usr/bin/env bash
# Runs the Go tests of the modules given (folders; by default the root), prints a line a package and failing
# tests in full, and appends what it counted to the file named by TEST_COUNTS, if any.
#
#   GOTESTFLAGS='-race -run TestCursor' scripts/test-go.sh . bench
set -euo pipefail
cd "$(dirname "$0")/.."
report=$PWD/scripts/test-go-report.mjs
read -ra flags <<<"${GOTESTFLAGS:--race -count=1}"
[ $# -gt 0 ] || set -- .

for module in "$@"; do
  (cd "$module" && { "${GO:-go}" test -json "${flags[@]}" ./... || true; }) # the report tells what failed
done | node "$report"
