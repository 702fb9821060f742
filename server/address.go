package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/pabal/pabal/server/config"
)

// addresses finds out who asks.
type addresses struct{ trusted []config.Prefix }

// handler sets RemoteAddr of each request to its client's address, which
// behind trusted proxies is what they say, and then calls next. What cannot
// be told with certainty is the address of the nearest proxy.
func (a addresses) handler(next http.Handler) http.Handler {
	if len(a.trusted) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil && a.trusts(plainAddress(peer.Addr())) {
			behind := *r
			behind.RemoteAddr = netip.AddrPortFrom(a.client(plainAddress(peer.Addr()), r.Header), 0).String()
			r = &behind
		}
		next.ServeHTTP(w, r)
	})
}

func (a addresses) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(a.trusted, func(p config.Prefix) bool { return p.Contains(ip) })
}

// client returns the address of who sent a request that came from peer, a
// trusted proxy. A proxy writes one of the two headers and hands on what a
// client wrote into the other, so that two that disagree say nothing.
func (a addresses) client(peer netip.Addr, header http.Header) netip.Addr {
	at, ok := a.walk(peer, header)
	if !ok && at.IsLoopback() {
		return netip.IPv4Unspecified() // lest a client be taken for this machine by sending what cannot be read
	}
	return at
}

func (a addresses) walk(peer netip.Addr, header http.Header) (at netip.Addr, ok bool) {
	forwarded, forwardedFor := header.Values("Forwarded"), header.Values("X-Forwarded-For")
	hops, ok := parseForwarded(forwarded)
	if !ok {
		return peer, false
	}
	one, oneOK := a.along(peer, hops)
	other, otherOK := a.along(peer, parseForwardedFor(forwardedFor))
	switch {
	case len(forwarded) == 0:
		return other, otherOK
	case len(forwardedFor) == 0:
		return one, oneOK
	case one != other:
		return peer, false
	}
	return one, oneOK && otherOK
}

// along goes from the peer towards the client, that is from right to left,
// until it finds an address that is not trusted. If there is a hop that it
// cannot read, it returns the last address that it could, and false.
func (a addresses) along(peer netip.Addr, hops []string) (at netip.Addr, ok bool) {
	at = peer
	for _, hop := range slices.Backward(hops) {
		if !a.trusts(at) {
			break
		}
		next, ok := parseNode(hop)
		if !ok {
			return at, false
		}
		at = next
	}
	return at, true
}

// parseForwardedFor returns the hops that X-Forwarded-For names, the nearest
// last.
func parseForwardedFor(values []string) (hops []string) {
	for _, value := range values {
		for hop := range strings.SplitSeq(value, ",") {
			hops = append(hops, strings.Trim(hop, " \t"))
		}
	}
	return hops
}

// parseForwarded returns the for= of each hop in Forwarded (RFC 7239), the
// nearest last; "" for a hop that does not say. It reads all or nothing, since
// in what is malformed it cannot be told where the proxies' part begins.
func parseForwarded(values []string) (hops []string, ok bool) {
	for _, value := range values {
		in := forwardedParser{value}
		for {
			hop, ok := in.element()
			if !ok {
				return nil, false
			}
			hops = append(hops, hop)
			if !in.skip(',') {
				break
			}
		}
	}
	return hops, true
}

// forwardedParser reads: element *( OWS "," OWS element ), each element being
// [ pair ] *( ";" [ pair ] ), each pair token "=" ( token / quoted-string ).
type forwardedParser struct{ rest string }

// element reads one hop and the white space around it.
func (p *forwardedParser) element() (hop string, ok bool) {
	seen := false
	for {
		p.rest = strings.TrimLeft(p.rest, " \t")
		if name := p.token(); name != "" {
			if !p.skip('=') {
				return "", false
			}
			value, ok := p.value()
			if !ok {
				return "", false
			}
			if strings.EqualFold(name, "for") {
				if seen {
					return "", false
				}
				hop, seen = value, true
			}
		}
		p.rest = strings.TrimLeft(p.rest, " \t")
		if !p.skip(';') {
			return hop, p.rest == "" || p.rest[0] == ','
		}
	}
}

func (p *forwardedParser) skip(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *forwardedParser) token() string {
	end := 0
	for end < len(p.rest) && tokenByte(p.rest[end]) {
		end++
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

func tokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func (p *forwardedParser) value() (value string, ok bool) {
	if !p.skip('"') {
		value = p.token()
		return value, value != ""
	}
	var text strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return text.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			text.WriteByte(p.rest[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", false
		default:
			text.WriteByte(c)
		}
	}
	return "", false
}

// parseNode returns the address of a hop: 192.0.2.1, 2001:db8::1 or
// [2001:db8::1], each but the second with a port or without. Names, as
// "unknown" and "_hidden", are not addresses.
func parseNode(node string) (ip netip.Addr, ok bool) {
	if inner, found := strings.CutPrefix(node, "["); found && strings.HasSuffix(inner, "]") {
		node = strings.TrimSuffix(inner, "]")
		if !strings.Contains(node, ":") {
			return netip.Addr{}, false
		}
	}
	ip, err := netip.ParseAddr(node)
	if err != nil {
		both, err := netip.ParseAddrPort(node)
		if err != nil {
			return netip.Addr{}, false
		}
		ip = both.Addr()
	}
	if ip.Zone() != "" || ip.IsUnspecified() {
		return netip.Addr{}, false
	}
	return ip.Unmap(), true
}

// plainAddress returns ip in the one form in which it is compared.
func plainAddress(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }
