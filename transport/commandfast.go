package transport

import (
	"bytes"
	"strconv"

	"github.com/pabal/pabal/internal/wire"
)

// A plain command is what most are: a publish whose members are written as one
// would expect. It is parsed, and its reply written, in a fifth of the time that
// encoding/json takes. For whatever is not plain, and all that is wrong, that
// decides, and says why: what is done here must be what it would do.

// parsePlain is parseCommand for a plain command. It reports false for any
// other, and leaves cmd as it was. Parts of cmd may be parts of text.
func parsePlain(text []byte, cmd *command) bool {
	var of plainCommand
	text = bytes.Trim(text, " \t\r\n")
	for at := 0; ; {
		name, value, next := wire.Member(text, at)
		switch {
		case next < 0:
			return false
		case name == nil:
			return of.fill(cmd)
		}
		at = next
		member := of.named(name)
		if member == nil || *member != nil {
			return false
		}
		*member = value
	}
}

// plainCommand is the members of a publish, each a JSON value; nil: it is not
// there.
type plainCommand struct {
	id, command, channel, messageID, kind, key, contentType, encoding, data []byte
}

// named returns the place of a member; nil: a plain command has none.
func (p *plainCommand) named(name []byte) *[]byte {
	switch string(name) {
	case "id":
		return &p.id
	case "command":
		return &p.command
	case "channel":
		return &p.channel
	case "data":
		return &p.data
	case "messageId":
		return &p.messageID
	case "type":
		return &p.kind
	case "key":
		return &p.key
	case "contentType":
		return &p.contentType
	case "encoding":
		return &p.encoding
	}
	return nil
}

func (p *plainCommand) fill(cmd *command) bool {
	if string(p.command) != `"publish"` || !plainID(p.id) {
		return false
	}
	var c command
	for _, m := range [...]struct {
		value []byte
		to    *string
	}{{p.channel, &c.Channel}, {p.messageID, &c.MessageID}, {p.kind, &c.Type}, {p.key, &c.Key}, {p.contentType, &c.ContentType}, {p.encoding, &c.Encoding}} {
		if m.value == nil {
			continue
		}
		if !plainText(m.value) {
			return false
		}
		*m.to = string(m.value[1 : len(m.value)-1])
	}
	c.Command, c.ID, c.Data = "publish", p.id, p.data
	if len(p.data) > 0 && (p.data[0] != '"' || p.contentType != nil) {
		c.Data = bytes.Clone(p.data) // it may be kept as it is, and text has more than that
	}
	*cmd = c
	return true
}

// plainID reports whether an id is none, or a number or a string that a reply
// repeats byte by byte.
func plainID(id []byte) bool {
	if len(id) == 0 {
		return true
	}
	return len(id) <= 128 && (id[0] == '-' || '0' <= id[0] && id[0] <= '9' || plainText(id))
}

// plainText reports whether a JSON value is a string whose text is plain.
func plainText(value []byte) bool { return value[0] == '"' && plain(value[1:len(value)-1]) }

// plain reports whether text is ASCII in which nothing is escaped, and of which
// nobody would escape anything.
func plain[T string | []byte](text T) bool {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b >= 0x7f || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			return false
		}
	}
	return true
}

// plainReply is replyTo for a publish that was done. It reports false for any
// other, and where something would be escaped.
func plainReply(cmd *command, answer *reply) ([]byte, bool) {
	if answer.Duplicate == nil || answer.URL != "" || answer.Expires != nil || !plainID(cmd.ID) || !plain(answer.Channel) || !plain(answer.Cursor) {
		return nil, false
	}
	text := make([]byte, 0, len(`{"id":,"ok":true,"channel":"","cursor":"","duplicate":false}`)+len(cmd.ID)+len(answer.Channel)+len(answer.Cursor))
	text = append(text, '{')
	if len(cmd.ID) > 0 {
		text = append(append(append(text, `"id":`...), cmd.ID...), ',')
	}
	text = append(text, `"ok":true`...)
	if answer.Channel != "" {
		text = append(append(append(text, `,"channel":"`...), answer.Channel...), '"')
	}
	if answer.Cursor != "" {
		text = append(append(append(text, `,"cursor":"`...), answer.Cursor...), '"')
	}
	text = strconv.AppendBool(append(text, `,"duplicate":`...), *answer.Duplicate)
	return append(text, '}'), true
}
