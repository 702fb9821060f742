package websocket

import "strings"

// An extension is one offer in Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	hasValue    bool
}

// parseExtensions reads the header's value (RFC 6455 section 9.1). Empty elements of the list are skipped, as RFC 9110
// section 5.6.1 asks; whatever else the grammar does not know makes it false.
func parseExtensions(value string) (list []extension, ok bool) {
	s := scanner(value)
	for {
		switch s.space(); {
		case len(s) == 0:
			return list, true
		case s.take(','):
			continue
		}
		e := extension{name: s.token()}
		if e.name == "" {
			return nil, false
		}
		for s.space(); s.take(';'); s.space() {
			p, ok := s.param()
			if !ok {
				return nil, false
			}
			e.params = append(e.params, p)
		}
		if len(s) > 0 && !s.take(',') {
			return nil, false
		}
		list = append(list, e)
	}
}

// A scanner is what is left of a header's value.
type scanner string

func (s *scanner) space() { *s = scanner(strings.TrimLeft(string(*s), " \t")) }

func (s *scanner) take(b byte) bool {
	if len(*s) == 0 || (*s)[0] != b {
		return false
	}
	*s = (*s)[1:]
	return true
}

// token takes the longest token there is, maybe none.
func (s *scanner) token() string {
	n := 0
	for n < len(*s) && isTokenByte((*s)[n]) {
		n++
	}
	token := string((*s)[:n])
	*s = (*s)[n:]
	return token
}

func (s *scanner) param() (p param, ok bool) {
	s.space()
	if p.name = s.token(); p.name == "" {
		return p, false
	}
	if s.space(); !s.take('=') {
		return p, true
	}
	p.hasValue = true
	if s.space(); s.take('"') {
		p.value, ok = s.quoted()
		return p, ok
	}
	p.value = s.token()
	return p, p.value != ""
}

// quoted takes the rest of a quoted string, which must mean a token ("must conform to the token ABNF", section 9.1).
func (s *scanner) quoted() (value string, ok bool) {
	var b []byte
	for len(*s) > 0 {
		if s.take('"') {
			return string(b), len(b) > 0
		}
		s.take('\\')
		if len(*s) == 0 || !isTokenByte((*s)[0]) {
			return "", false
		}
		b = append(b, (*s)[0])
		*s = (*s)[1:]
	}
	return "", false
}

func isTokenByte(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

const maxWindowBits = 15

// A deflateWindow is the most that the server may look back when it compresses, as the client asked: the exponent of
// a power of two, 8 to 15, or 0 if it did not ask, which is 15 too.
type deflateWindow uint8

func (w deflateWindow) bits() int {
	if w == 0 {
		return maxWindowBits
	}
	return int(w)
}

// response is what the server answers to the offer it takes. No context is taken over in either direction: so messages
// can be compressed once for all, and no connection holds a compressor. A window asked for must be confirmed (RFC 7692
// section 7.1.2.1).
func (w deflateWindow) response() string {
	const base = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	if w == 0 {
		return base
	}
	return base + "; server_max_window_bits=" + windowValues[w]
}

// chooseDeflate returns the first offer of permessage-deflate that can be kept. One with a parameter that is unknown,
// twice there or invalid is declined (RFC 7692 section 7.1).
func chooseDeflate(offers []extension) (deflateWindow, bool) {
	for _, e := range offers {
		if e.name == "permessage-deflate" {
			if w, ok := deflateOffer(e.params); ok {
				return w, true
			}
		}
	}
	return 0, false
}

func deflateOffer(params []param) (w deflateWindow, ok bool) {
	seen := make(map[string]bool, len(params))
	for _, p := range params {
		if seen[p.name] {
			return 0, false
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			ok = !p.hasValue
		case "server_max_window_bits":
			w, ok = windowBits(p.value)
		case "client_max_window_bits":
			_, ok = windowBits(p.value)
			ok = ok || !p.hasValue
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	return w, true
}

var windowValues = [...]string{8: "8", 9: "9", 10: "10", 11: "11", 12: "12", 13: "13", 14: "14", 15: "15"}

// windowBits reads 8 to 15, without leading zeros.
func windowBits(value string) (deflateWindow, bool) {
	for i, v := range windowValues {
		if v != "" && v == value {
			return deflateWindow(i), true
		}
	}
	return 0, false
}
