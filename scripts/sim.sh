#!/usr/bin/env bash
# Plays scripts of both layers of the simulator (transport/sim_*_test.go) and appends how many went well to the file
# named by TEST_COUNTS, if any. With arguments for go test it plays what they say: -sim.seed 7, or -sim.for 10m.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
said=$("${GO:-go}" test -count=1 -timeout 0 -v ./transport -run '^TestSim' "$@" 2>&1) || status=$?
played=$(awk '/played [0-9]+ scripts/ { for (i = 1; i < NF; i++) if ($i == "played") n += $(i + 1) } END { print n + 0 }' <<<"$said")
if [ "$status" = 0 ]; then
  echo "sim: played $played scripts, none failed"
elif grep -q '^invalid ' <<<"$said"; then
  grep -m 1 '^invalid ' <<<"$said" | sed 's/^/sim: /'
else
  grep -vE '^ *(=== |--- PASS)' <<<"$said"
fi
[ -z "${TEST_COUNTS:-}" ] || printf 'simulation (scripts)\t%d\t%d\n' "$played" "$((status != 0))" >>"$TEST_COUNTS"
exit "$status"
