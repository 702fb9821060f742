package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// defaultOpen is said of a value that follows from --open.
const defaultOpen = "default with --open on other than loopback"

// settle gives the defaults that hang on other settings.
func (c *Config) settle(from Provenance) {
	c.settleOpen(from)
	if c.Access.Open && !c.loopback() && from["host-metrics"] == byDefault {
		c.Log.HostMetrics = false
		from["host-metrics"] = defaultOpen
	}
}

// check says what in c does not go together, or cannot work.
func (c *Config) check(from Provenance) error {
	var wrong []error
	fail := func(name, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s (%s): %w", name, from[name], fmt.Errorf(format, args...)))
	}
	if len(c.Serving.Listen) == 0 {
		fail("listen", "there is no address; give one, as in 127.0.0.1:8080")
	}
	for _, address := range c.Serving.Listen {
		if err := checkAddress(address); err != nil {
			fail("listen", "%w", err)
		}
	}
	c.checkAccess(fail)
	if c.Serving.TLSCert != "" && c.Serving.TLSKey == "" {
		fail("tls-cert", "a certificate without its key; give --tls-key too")
	}
	if c.Serving.TLSKey != "" && c.Serving.TLSCert == "" {
		fail("tls-key", "a key without its certificate; give --tls-cert too")
	}
	if c.Delivery.Pump == "loop" && c.Serving.TLSCert != "" {
		fail("pump", "a loop serves plain HTTP/1.1 only, and tls-cert makes it HTTPS: leave it at auto, or serve plain HTTP behind a proxy that ends TLS")
	}
	if b := c.Delivery.SendBuffer; b != 0 && (b < 4<<10 || b > 1<<30) {
		fail("send-buffer", "%v is out of bounds: write 4KiB to 1GiB", b)
	}
	if c.Delivery.Pump == "loop" && runtime.GOOS != "linux" {
		fail("pump", "loops need Linux, and this is %s: leave it at auto", runtime.GOOS)
	}
	if len(c.Access.AllowOrigin) > 1 && slices.Contains(c.Access.AllowOrigin, "*") {
		fail("allow-origin", "* stands for any origin, without credentials, so the others would mean nothing; name either * or each")
	}
	if m := c.Messages; m.BatchBytes != 0 && m.BatchBytes < m.MaxMessage {
		fail("batch-bytes", "%v is less than max-message, %v, so that some messages could not be published; raise one or lower the other",
			m.BatchBytes, m.MaxMessage)
	}
	if n := c.Readers.ChannelsPerResponse; n > 100 {
		fail("channels-per-response", "%d is too many, as a cursor holds 100; ask for more channels in several responses", n)
	}
	if c.Storage.Data == "" && c.Storage.Broker == "disk" {
		fail("data", "the disk broker needs a directory; give one, as in ./pabal-data, or choose --broker memory")
	}
	for i, n := range c.Namespaces {
		for _, p := range n.Match {
			if most := int(c.Messages.ChannelBytes); p.Shortest() > most {
				fail(of(i, "match"), "%q matches no channel, as a name has %d bytes at most; shorten it or raise channel-bytes", p, most)
			}
		}
	}
	return errors.Join(wrong...)
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address; write host:port, as in 127.0.0.1:8080", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("%q: the port is a number up to 65535, or 0 for any that is free", address)
	}
	if strings.ContainsAny(host, " /") {
		return fmt.Errorf("%q: the host is a name or an address, without scheme or path", address)
	}
	return nil
}

// loopback reports whether only this machine reaches c.
func (c *Config) loopback() bool {
	return !slices.ContainsFunc(c.Serving.Listen, func(a string) bool { return !Loopback(a) })
}

// Loopback reports whether only this machine reaches address, which is
// host:port. A name other than localhost is not looked up and does not count.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if name := strings.ToLower(host); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
