#!/usr/bin/env bash
# Checks that web/dist, which is committed and embedded, is what its source builds: builds it afresh into a
# folder of its own and compares. Touches nothing in the work tree.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

[ -d web/dist ] || {
  echo "check-dist: web/dist is missing: run 'make web' and commit it" >&2
  exit 1
}
(cd web && npm run --silent build -- --outDir "$fresh" --emptyOutDir --logLevel warn </dev/null)

if ! diff -r --brief web/dist "$fresh"; then
  echo "check-dist: web/dist is not what its source builds: run 'make web' and commit what it changed" >&2
  exit 1
fi
if [ "${CI:-}" = true ] && ! git diff --quiet HEAD -- web/dist; then
  echo "check-dist: web/dist is not what is committed" >&2
  exit 1
fi
echo "check-dist: web/dist is what its source builds ($(find web/dist -type f | wc -l) files)"
