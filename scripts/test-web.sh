#!/usr/bin/env bash
# test-web.sh FOLDER LABEL: checks the types of a part in TypeScript (js, web) and runs its unit tests and its browser
# tests, all of them even if one fails. PABAL_BIN names the binary that they start. What was counted is
# appended to the file named by TEST_COUNTS, if any.
set -euo pipefail
cd "$(dirname "$0")/../$1"
label=$2

status=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# count LABEL: reads "Tests  1 failed | 12 passed (13)" from the output of the last run.
count() {
  local line passed failed
  line=$(sed 's/\x1b\[[0-9;]*m//g' "$out" | grep -E '^ *Tests +[0-9]' | tail -n 1 || true)
  passed=$(grep -oE '[0-9]+ passed' <<<"$line" | cut -d ' ' -f 1 || true)
  failed=$(grep -oE '[0-9]+ failed' <<<"$line" | cut -d ' ' -f 1 || true)
  passed=${passed:-0} failed=${failed:-0}
  if [ "$ran" != 0 ] && [ "$failed" = 0 ]; then
    failed=1 # it failed without a failing test: it did not start, or something went wrong between tests
  elif [ $((passed + failed)) = 0 ]; then
    echo "test-web: $1: no test ran" >&2
    failed=1
  fi
  [ "$failed" = 0 ] || status=1
  printf '%s\t%s\t%s\n' "$1" "$passed" "$failed" >>"${TEST_COUNTS:-/dev/null}"
}

# tests LABEL SCRIPT
tests() {
  ran=0
  npm run --silent "$2" </dev/null 2>&1 | tee "$out" || ran=$?
  count "$1"
}

if ! npm run --silent typecheck </dev/null; then
  echo "test-web: the types do not check" >&2
  printf '%s types\t0\t1\n' "$label" >>"${TEST_COUNTS:-/dev/null}"
  status=1
fi
tests "$label unit tests" test
[ -x "${PABAL_BIN:-}" ] || {
  echo "test-web: PABAL_BIN must name the built binary: run 'make test-web'" >&2
  exit 1
}
tests "$label browser tests" test:browser
exit "$status"
