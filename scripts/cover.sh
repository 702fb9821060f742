#!/usr/bin/env bash
# Prints what share of its statements the tests of the whole module have reached in each package, from the profile
# given, and fails where that is below 90 % of the root package, of transport, or of a broker.
#
#   COVERPROFILE=$PWD/coverage/go.cov scripts/test-go.sh && scripts/cover.sh coverage/go.cov
set -euo pipefail
profile=$1
least=90
module=github.com/pabal/pabal

[ -s "$profile" ] || {
  echo "cover: $profile is not there or empty: the tests have left no profile" >&2
  exit 1
}
# A block is in the profile once for each package whose tests could reach it: it is reached if any of them did.
awk -v module="$module" -v least="$least" '
  FNR == 1 { next } # the mode
  { size[$1] = $2; if ($3 > 0) hit[$1] = 1 }
  END {
    for (block in size) {
      name = block
      sub(/\/[^\/]*$/, "", name)
      all[name] += size[block]
      if (block in hit) reached[name] += size[block]
    }
    for (name in all) {
      short = name == module ? "." : substr(name, length(module) + 2)
      must = short == "." || short == "transport" || short ~ /^broker\// && short != "broker/brokertest"
      share = 100 * reached[name] / all[name]
      low = must && share < least
      if (low) failed++
      if (must) seen++
      printf "%d\t%-24s %5.1f %% of %5d statements%s\n", !must, short, share, all[name], low ? "   BELOW " least " %" : "" | "sort -k1n -k2"
    }
    close("sort -k1n -k2")
    if (seen < 4) { print "cover: the profile lacks the root package, transport or the brokers: run all tests" > "/dev/stderr"; exit 1 }
    if (failed) { print "cover: " failed " of the packages that must have " least " % are below: test what is missing, see docs/testing.md" > "/dev/stderr"; exit 1 }
  }' "$profile" | cut -f 2-
