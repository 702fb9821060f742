#!/usr/bin/env bash
# Runs each fuzz target of the tree in turn, each for the time given (by default 10s). An input that breaks one is left
# in its testdata/fuzz: mend what it shows, and commit it. What is new to a target goes into Go's cache.
#
#   scripts/fuzz.sh 1m
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}

found=0
while IFS=: read -r file target; do
  found=$((found + 1))
  dir=$(dirname "$file")
  echo "fuzz: $target in $dir for $time"
  (cd "$dir" && "${GO:-go}" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 50x . </dev/null)
done < <(grep -roE --include='*_test.go' --exclude-dir=node_modules --exclude-dir=testdata '^func Fuzz[A-Za-z0-9_]*' . |
  sed 's/:func /:/' | sort)

[ "$found" -gt 0 ] || {
  echo "fuzz: there is no fuzz target" >&2
  exit 1
}
echo "fuzz: $found targets, none failed"
