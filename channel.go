package pabal

import "strings"

// A Channel is the name of a log. Names are hierarchical, as in
// "sports/kbo/lg-doosan": segments of letters, digits and "-_.:", divided by
// "/". A name that begins with "$" is Pabal's own.
type Channel string

// ParseChannel checks name and returns it as a Channel. The error says which
// byte or segment is wrong and what is allowed. It does not check the length:
// see [Limits.ChannelBytes].
func ParseChannel(name string) (Channel, error) {
	if name == "" {
		return "", invalid("the channel has no name: give one, as in /channels/chat")
	}
	for i := range len(name) {
		if c := name[i]; !channelByte(c) && (c != '$' || i > 0) {
			return "", invalid("channel %.80q: byte %q is not allowed (letters, digits and -_.:/ are; $ only first, for Pabal's own)", name, c)
		}
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch segment {
		case "":
			return "", invalid("channel %.80q: a segment is empty (no / at either end, and no two in a row)", name)
		case ".", "..":
			return "", invalid("channel %.80q: a segment may not be %q", name, segment)
		}
	}
	return Channel(name), nil
}

func channelByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '.' || c == ':' || c == '/'
}

// Own reports whether ch is one of Pabal's own channels, which begin with
// "$". Nobody but Pabal publishes to them.
func (ch Channel) Own() bool { return strings.HasPrefix(string(ch), "$") }
