#!/usr/bin/env bash
# Makes ready what "make bench-peers" and "make reliability" need beside Go: gcc, Node.js, Debian's nginx with
# Nchan (whose service is not started), Socket.IO, and the clients of Socket.IO and centrifuge.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'setup-peers: %s\n' "$*" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] || fail "the bench reads /proc and uses epoll: run it on Linux"
for tool in gcc node npm; do
  command -v "$tool" >/dev/null || fail "$tool is missing: install it"
done

if [ ! -e /usr/lib/nginx/modules/ngx_nchan_module.so ]; then
  command -v apt-get >/dev/null || fail "nginx with Nchan is missing, and there is no apt-get to install it with: install it by hand"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "nginx with Nchan is missing: as root, run 'apt-get install nginx libnginx-mod-nchan'"
    as_root=(sudo)
  fi
  echo "setup-peers: installing Debian's nginx and libnginx-mod-nchan"
  log=$(mktemp)
  # In run level 1, invoke-rc.d starts no service; nor does it where a policy forbids it.
  if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends nginx libnginx-mod-nchan; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "apt-get could not install nginx and Nchan (its last lines are above, all of them in $log)"
  fi
  rm -f "$log"
fi

# npm ci takes its time, so it runs only where what is installed is not what the lock file says.
for dir in bench/peers/socketio bench/reliability/clients; do
  installed=$dir/node_modules/.installed
  if ! cat $dir/package.json $dir/package-lock.json | cmp -s - $installed; then
    (cd $dir && npm ci --no-audit --no-fund) || fail "npm ci failed in $dir"
    cat $dir/package.json $dir/package-lock.json >$installed
  fi
done

# The servers of bench/peers are modules of their own, which "make test" leaves alone.
for module in bench/peers/*/go.mod; do
  (cd "$(dirname "$module")" && "${GO:-go}" vet ./...) || fail "go vet failed in $(dirname "$module")"
done
