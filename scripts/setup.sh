#!/usr/bin/env bash
# Makes ready what "make test" needs: Go, a C compiler, Node.js, Chromium and the packages of js and web.
# What cannot be installed from here ends it, with a message that says what to do.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# at_least HAVE WANT: is version HAVE at least WANT?
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

go=${GO:-go}
want_go=$(awk '$1 == "go" { print $2 }' go.mod)
command -v "$go" >/dev/null || fail "Go is missing: install Go $want_go or newer and put it on the PATH"
have_go=$("$go" env GOVERSION)
at_least "${have_go#go}" "$want_go" || fail "Go is ${have_go#go}: install $want_go or newer"

# The race detector needs cgo.
[ "$("$go" env CGO_ENABLED)" = 1 ] || fail "cgo is off, and the race detector needs it: unset CGO_ENABLED, and install gcc"
cc=$("$go" env CC)
command -v "${cc%% *}" >/dev/null || fail "the C compiler ${cc%% *} is missing, and the race detector needs it: install gcc"

want_node=20.19.0
command -v node >/dev/null || fail "Node.js is missing: install Node.js $want_node or newer, with npm"
have_node=$(node --version)
at_least "${have_node#v}" "$want_node" || fail "Node.js is ${have_node#v}: install $want_node or newer"
command -v npm >/dev/null || fail "npm is missing: install it beside Node.js ${have_node#v}"

if [ ! -x /usr/bin/chromium ]; then
  command -v apt-get >/dev/null ||
    fail "the browser tests need Chromium as /usr/bin/chromium, and there is no apt-get to install it with: install it by hand"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "the browser tests need Chromium: as root, run 'apt-get install chromium'"
    as_root=(sudo)
  fi
  echo "setup: installing Debian's chromium"
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "apt-get could not install chromium (its last lines are above, all of them in $log)"
  fi
  rm -f "$log"
  [ -x /usr/bin/chromium ] || fail "the package chromium is installed but /usr/bin/chromium is not there: install Chromium by hand"
fi

# npm ci takes its time, so it runs only where what is installed is not what the lock file says.
for part in js web; do
  [ -f "$part/package-lock.json" ] || fail "$part/package-lock.json is missing: it belongs in the repository"
  installed=$part/node_modules/.installed
  if ! cat "$part/package.json" "$part/package-lock.json" | cmp -s - "$installed"; then
    (cd "$part" && npm ci --no-audit --no-fund) || fail "npm ci failed in $part/"
    cat "$part/package.json" "$part/package-lock.json" >"$installed"
  fi
done

echo "setup: Go ${have_go#go}, Node.js ${have_node#v}, $(/usr/bin/chromium --version 2>/dev/null || echo 'Chromium (which does not tell its version)')"
