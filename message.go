package pabal

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// A Message is what a publisher sends. Every field but Data may be empty.
type Message struct {
	ID          string // names the message, so that a repeat of it is kept once
	Type        string // what kind of message, as in the event field of server-sent events
	Key         string // what the message is the latest value of
	ContentType string // the media type of Data; empty means text/plain if Data is UTF-8
	Data        []byte // any bytes
}

// Check reports what is wrong with m, whatever the limits: with its ID, type,
// key or content type, or with data that its content type says is JSON. The
// error is an *[InvalidError].
func (m *Message) Check() error {
	if strings.HasPrefix(m.Type, "$") {
		return invalid("type %.80q: a type may not begin with $, which marks Pabal's own notices", m.Type)
	}
	if m.Type == "error" || m.Type == "open" {
		return invalid("type %q: EventSource uses this name for its own events; choose another", m.Type)
	}
	for _, field := range []struct{ name, value string }{{"id", m.ID}, {"type", m.Type}, {"key", m.Key}, {"content type", m.ContentType}} {
		if i := strings.IndexFunc(field.value, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			return invalid("%s %.80q: control characters are not allowed", field.name, field.value)
		}
		if !utf8.ValidString(field.value) {
			return invalid("%s %.80q: it must be UTF-8", field.name, field.value)
		}
	}
	if m.JSON() && !json.Valid(m.Data) {
		return invalid("the content type is %.80q, but the data is no JSON; send it as text/plain, or mend it", m.ContentType)
	}
	return nil
}

// JSON reports whether m's data is JSON by its content type: application/json,
// or any that ends in +json (RFC 6839).
func (m *Message) JSON() bool {
	media, _, _ := strings.Cut(m.ContentType, ";")
	media = strings.ToLower(strings.TrimRight(media, " \t"))
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// A Digest tells whether two messages have the same content.
type Digest [16]byte

// Digest returns the digest of all of m but its ID.
func (m *Message) Digest() Digest {
	h := sha256.New()
	h.Write(fmt.Appendf(nil, "%q %q %q ", m.Type, m.Key, m.ContentType))
	h.Write(m.Data)
	return Digest(h.Sum(nil))
}

// An Entry is a message in its place in a channel's log. It is shared by all
// its readers and never changes; make one with a composite literal and copy
// one with [Entry.Copy].
type Entry struct {
	Channel Channel
	Epoch   Epoch
	Offset  Offset
	Prev    Offset // the offset of the entry before it, or the log's end when it was empty
	Time    time.Time
	Message

	encodings atomic.Pointer[encoding]
}

// Position returns the position just after e.
func (e *Entry) Position() Position { return Position{e.Epoch, e.Offset} }

// Copy returns an entry with the same content and none of e's encodings. The
// data is shared.
func (e *Entry) Copy() *Entry {
	return &Entry{Channel: e.Channel, Epoch: e.Epoch, Offset: e.Offset, Prev: e.Prev, Time: e.Time, Message: e.Message}
}

// Size returns the bytes by which e counts towards limits on bytes kept.
func (e *Entry) Size() int {
	return len(e.Data) + len(e.ID) + len(e.Type) + len(e.Key) + len(e.ContentType)
}

// A Format is a way to write an entry down, such as a technique's. It is
// known by its address.
type Format struct {
	Name   string
	Encode func(*Entry) []byte // must return the same bytes each time
}

type encoding struct {
	format *Format
	bytes  []byte
	next   *encoding
}

// Encoded returns e in format f. The encoding is made once and shared by all
// that ask, so the bytes must not be written to.
func (e *Entry) Encoded(f *Format) []byte {
	var made *encoding
	for {
		head := e.encodings.Load()
		for n := head; n != nil; n = n.next {
			if n.format == f {
				return n.bytes
			}
		}
		if made == nil {
			made = &encoding{format: f, bytes: f.Encode(e)}
		}
		if made.next = head; e.encodings.CompareAndSwap(head, made) {
			return made.bytes
		}
	}
}
