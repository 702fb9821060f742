package transport

import (
	"net/http"
	"testing"
)

// Who is counted together: one address, whatever its form, or one network of
// IPv6; nobody on this machine.
func TestAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"127.0.0.1:80": "", "[::1]:80": "", "127.9.9.9:1": "", "[::ffff:127.0.0.1]:80": "",
		"192.0.2.7:80": "192.0.2.7", "192.0.2.7:81": "192.0.2.7", "[::ffff:192.0.2.7]:80": "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64", "[2001:db8:1:2::9]:80": "2001:db8:1:2::/64", "[2001:db8:1:3::9]:80": "2001:db8:1:3::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "pipe": "pipe", "": "",
	} {
		if got := address(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q is counted as %q, want %q", remote, got, want)
		}
	}
}
