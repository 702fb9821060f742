package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/wire"
)

// A command is what a client asks for, on a WebSocket of the subprotocol
// pabal.v1 or by POST: see spec/protocol.md.
type command struct {
	ID      json.RawMessage `json:"id"` // any number or string; the reply repeats it
	Command string          `json:"command"`
	Channel string          `json:"channel"`
	whence
	content
	asking
	Leave bool   `json:"leave"` // presence: be absent
	Token string `json:"token"` // refresh
}

// A whence is where a subscription begins.
type whence struct {
	Cursor string `json:"cursor"`
	Since  string `json:"since"` // as ?since=; now
	Read   string `json:"read"`  // of who polls: the URL of its last read, from / on
}

// A content is what is published, asked, answered or shown, as in an entry.
type content struct {
	Type        string          `json:"type"`
	Key         string          `json:"key"`
	MessageID   string          `json:"messageId"`
	ContentType string          `json:"contentType"`
	Encoding    string          `json:"encoding"`
	Data        json.RawMessage `json:"data"`
	IfMatch     *string         `json:"ifMatch"` // publish only if the channel ends at this cursor
}

// An asking is of call, cancel and answer.
type asking struct {
	Call    string  `json:"call"`    // the asker's name for what it asks
	Timeout float64 `json:"timeout"` // seconds to wait for an answer; 0: the longest there may be
	Ref     string  `json:"ref"`     // of answer: the name that who answers knows it by
}

// members of each command, beside id and command.
var members = map[string][]string{
	"ping":        {},
	"subscribe":   {"channel", "cursor", "since", "read"},
	"unsubscribe": {"channel", "read"},
	"publish":     {"channel", "type", "key", "messageId", "contentType", "encoding", "data", "ifMatch"},
	"presence":    {"channel", "data", "leave"},
	"call":        {"channel", "call", "timeout", "contentType", "encoding", "data"},
	"cancel":      {"call"},
	"answer":      {"channel", "ref", "type", "messageId", "contentType", "encoding", "data"},
	"refresh":     {"token"},
}

const commandNames = "subscribe, unsubscribe, publish, presence, call, cancel, answer, refresh, ping"

// given returns the members that c has, beside id and command.
func (c *command) given() []string {
	var names []string
	for _, m := range []struct {
		name string
		has  bool
	}{
		{"channel", c.Channel != ""}, {"cursor", c.Cursor != ""}, {"since", c.Since != ""}, {"read", c.Read != ""},
		{"type", c.Type != ""}, {"key", c.Key != ""}, {"messageId", c.MessageID != ""}, {"contentType", c.ContentType != ""},
		{"encoding", c.Encoding != ""}, {"data", c.Data != nil}, {"ifMatch", c.IfMatch != nil}, {"call", c.Call != ""},
		{"timeout", c.Timeout != 0}, {"ref", c.Ref != ""}, {"leave", c.Leave}, {"token", c.Token != ""},
	} {
		if m.has {
			names = append(names, m.name)
		}
	}
	return names
}

// parseCommand parses one JSON object. With an error, cmd has its id if that
// could be read.
func parseCommand(text []byte, cmd *command) error {
	if parsePlain(text, cmd) {
		return nil
	}
	return parseAny(text, cmd)
}

func parseAny(text []byte, cmd *command) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(cmd)
	if id := cmd.ID; len(id) > 128 || len(id) > 0 && id[0] != '"' && id[0] != '-' && (id[0] < '0' || id[0] > '9') {
		cmd.ID = nil
		return problem.BadRequest("id must be a number or a string of at most 128 bytes")
	}
	if err != nil {
		return problem.BadRequest("a command is one JSON object, such as {\"id\":1,\"command\":\"subscribe\",\"channel\":\"chat\"}: %v", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return problem.BadRequest("a message holds one command; send the next in a message of its own")
	}
	return cmd.check()
}

// check reports what does not belong to the command.
func (c *command) check() error {
	known, ok := members[c.Command]
	if !ok {
		return problem.BadRequest("command %.40q is not known; these are: %s", c.Command, commandNames)
	}
	for _, name := range c.given() {
		if !slices.Contains(known, name) {
			return problem.BadRequest("%s has no %s; its members are: %s", c.Command, name, strings.Join(append([]string{"id", "command"}, known...), ", "))
		}
	}
	if c.Timeout < 0 || c.Timeout > 3600 {
		return problem.BadRequest("timeout is a number of seconds up to 3600; leave it out for the longest there may be")
	}
	return nil
}

// message is the content as a message: data is a JSON string for text, any JSON
// for JSON, and base64 where encoding says so.
func (c *content) message() (pabal.Message, error) {
	contentType, data, err := wire.ParseData(c.ContentType, c.Encoding, c.Data)
	if err != nil {
		return pabal.Message{}, problem.BadRequest("%v", err)
	}
	return pabal.Message{ID: c.MessageID, Type: c.Type, Key: c.Key, ContentType: wire.KeptType(contentType), Data: data}, nil
}

// from is where a subscription begins.
func (b *whence) from() (pabal.From, error) {
	switch {
	case b.Cursor != "" && b.Since != "":
		return pabal.From{}, problem.BadRequest("give cursor or since, not both")
	case b.Cursor != "":
		at, err := pabal.ParsePosition(b.Cursor)
		if err != nil {
			return pabal.From{}, problem.BadRequest("%v", err)
		}
		return pabal.After(at), nil
	case b.Since != "":
		return ParseSince(b.Since)
	}
	return pabal.FromNow(), nil
}

func (a *asking) timeout() time.Duration { return time.Duration(a.Timeout * float64(time.Second)) }

// A reply answers a command. It has ok or error.
type reply struct {
	ID        json.RawMessage  `json:"id,omitempty"`
	OK        bool             `json:"ok,omitempty"`
	Error     *problem.Problem `json:"error,omitempty"`
	Channel   string           `json:"channel,omitempty"`
	Cursor    string           `json:"cursor,omitempty"`
	Duplicate *bool            `json:"duplicate,omitempty"`
	URL       string           `json:"url,omitempty"`     // of who polls: the next read
	Expires   *time.Time       `json:"expires,omitempty"` // of refresh: when the new token does
}

// replyTo returns the reply to cmd as JSON: answer, or what went wrong.
func replyTo(cmd *command, answer *reply, err error) []byte {
	if err != nil {
		answer = &reply{Error: problem.From(err)}
	}
	if text, ok := plainReply(cmd, answer); ok {
		return text
	}
	return anyReply(cmd, answer)
}

func anyReply(cmd *command, answer *reply) []byte {
	answer.ID, answer.OK = cmd.ID, answer.Error == nil
	text, err := json.Marshal(answer)
	if err != nil { // only an ID that is no JSON could do that, and it was parsed as such
		return fmt.Appendf(nil, `{"error":{"title":"Internal Server Error","status":500}}`)
	}
	return text
}
