#!/usr/bin/env bash
# Runs the Go tests of the modules given (folders; by default the root), prints a line a package and failing
# tests in full, and appends what it counted to the file named by TEST_COUNTS, if any. COVERPROFILE names a file for
# what the root module's tests reach of all its packages, for scripts/cover.sh.
#
#   GOTESTFLAGS='-race -run TestCursor' scripts/test-go.sh . bench
set -euo pipefail
cd "$(dirname "$0")/.."
report=$PWD/scripts/test-go-report.mjs
read -ra flags <<<"${GOTESTFLAGS:--race -count=1}"
[ $# -gt 0 ] || set -- .

# covering MODULE: the flags that collect coverage, a line each.
covering() {
  if [ "$1" = . ] && [ -n "${COVERPROFILE:-}" ]; then
    mkdir -p "$(dirname "$COVERPROFILE")"
    rm -f "$COVERPROFILE"
    printf '%s\n' -covermode=atomic -coverpkg=./... "-coverprofile=$COVERPROFILE"
  fi
}

for module in "$@"; do
  mapfile -t cover < <(covering "$module")
  (cd "$module" && { "${GO:-go}" test -json "${flags[@]}" "${cover[@]}" ./... || true; }) # the report tells what failed
done | node "$report"
