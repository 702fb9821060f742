package wire

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pabal/pabal"
)

// A Notice is a [pabal.Notice] with what a response adds to it. What is empty
// is left out of its JSON form:
//
//	{"notice":"$gap","channel":"chat","cursor":"3w5e-7","from":"3w5e-2","to":"3w5e-7","reason":"trimmed"}
type Notice struct {
	Kind       pabal.NoticeKind
	Channel    pabal.Channel   // the one it is about; of $open over several channels, none
	Cursor     string          // where the reader stands in Channel; of $open over several channels, the vector
	From, To   string          // cursors: what is missing lies between
	Reason     pabal.Reason    // why
	Count      int             // how many entries were left out
	Heartbeat  time.Duration   // of $open: a sign of life comes at least this often; in seconds on the wire
	Connection string          // of $open: the connection's id
	Channels   []pabal.Channel // of $open over several channels: which,
	Cursors    []string        // and where the reader stands in each, in the same order
	Expires    time.Time       // of $expiring: when the token does
}

// NoticeOf returns n as it goes on the wire.
func NoticeOf(n *pabal.Notice) *Notice {
	w := &Notice{Kind: n.Kind, Channel: n.Channel, Cursor: n.Cursor.String(), Reason: n.Reason, Count: n.Count}
	switch n.Kind {
	case pabal.NoticeGap, pabal.NoticeReset:
		w.From, w.To = n.From.String(), n.To.String()
	case pabal.NoticeExpiring:
		w.Expires = n.Expires
	}
	if n.Channel == "" { // it is of none
		w.Cursor = ""
	}
	return w
}

// AppendNotice appends n's JSON form to dst. It is one line, in UTF-8.
func AppendNotice(dst []byte, n *Notice) []byte {
	dst = appendText(append(dst, '{'), "notice", string(n.Kind))
	dst = appendText(dst, "channel", string(n.Channel))
	dst = appendText(dst, "cursor", n.Cursor)
	dst = appendText(dst, "from", n.From)
	dst = appendText(dst, "to", n.To)
	dst = appendText(dst, "reason", string(n.Reason))
	if n.Count != 0 {
		dst = strconv.AppendInt(appendName(dst, "count"), int64(n.Count), 10)
	}
	if n.Heartbeat != 0 {
		dst = strconv.AppendFloat(appendName(dst, "heartbeat"), n.Heartbeat.Seconds(), 'f', -1, 64)
	}
	dst = appendText(dst, "connection", n.Connection)
	if len(n.Channels) > 0 {
		dst = appendList(dst, "channels", n.Channels)
		dst = appendList(dst, "cursors", n.Cursors)
	}
	if !n.Expires.IsZero() {
		dst = append(AppendTime(append(appendName(dst, "expires"), '"'), n.Expires), '"')
	}
	return append(dst, '}')
}

func appendList[T ~string](dst []byte, name string, list []T) []byte {
	dst = append(appendName(dst, name), '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, string(s))
	}
	return append(dst, ']')
}

// ParseNotice parses a notice's JSON form. Members that it does not know are
// ignored.
func ParseNotice(text []byte) (*Notice, error) {
	switch _, n, err := Parse(text); {
	case err != nil:
		return nil, err
	case n == nil:
		return nil, fmt.Errorf("an entry is no notice: %.80q", text)
	default:
		return n, nil
	}
}
