package call

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// refBytes is how long a ref is.
const refBytes = 22

// refOf returns by what the call id of connection is known to who answers. It
// tells nothing of the connection.
func refOf(connection, id string) string { return hash("call/" + connection + "/" + id)[:refBytes] }

// seenAs returns as what others see a connection, whose name is a secret. It is
// its key in presence, too.
func seenAs(connection string) string { return hash("presence/" + connection)[:16] }

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// checkRef says what is wrong with ref, which becomes a part of a channel's name.
func checkRef(ref string) error {
	if _, err := base64.RawURLEncoding.DecodeString(ref); err != nil || len(ref) != refBytes {
		return invalid("ref %.40q is none: give that of an entry of $calls/…, unchanged", ref)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &pabal.InvalidError{Detail: fmt.Sprintf(format, args...)}
}

func logOf(ref string) pabal.Channel { return pabal.Channel(Logs + ref) }

// An ask is what was asked. It begins the log of its call.
type ask struct {
	Ref      string
	Channel  pabal.Channel
	User     string
	UserData json.RawMessage
	Message  pabal.Message // of which there are data and content type
	Until    time.Time     // from when it has failed
}

// askHead is the JSON form of an ask, but for its message.
type askHead struct {
	Ref      string          `json:"ref"`
	Channel  pabal.Channel   `json:"channel,omitempty"`
	User     string          `json:"user,omitempty"`
	UserData json.RawMessage `json:"userData,omitempty"`
	Until    time.Time       `json:"until"`
}

// first returns the entry that begins the log of the call.
func (a *ask) first() pabal.Message {
	return pabal.Message{ID: "ask", Type: "ask", ContentType: "application/json", Data: a.json(a.Channel)}
}

// offer returns the entry for responders. It is never longer than the first.
func (a *ask) offer() pabal.Message {
	return pabal.Message{ID: a.Ref, Key: a.Ref, Type: "call", ContentType: "application/json", Data: a.json("")}
}

// json returns a as JSON: what it asks stands there as in an entry.
func (a *ask) json(ch pabal.Channel) []byte {
	head, err := json.Marshal(askHead{a.Ref, ch, a.User, a.UserData, a.Until.UTC()})
	if err != nil {
		panic(err) // Call has seen to it that userData is JSON
	}
	if message := wire.AppendMessage(nil, &a.Message); len(message) > len("{}") {
		head[len(head)-1] = ','
		head = append(head, message[1:]...)
	}
	return head
}

// parseAsk parses what begins the log of a call.
func parseAsk(m *pabal.Message) (*ask, error) {
	var o struct {
		askHead
		ContentType string          `json:"contentType"`
		Encoding    string          `json:"encoding"`
		Data        json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &o); err != nil {
		return nil, err
	}
	a := &ask{Ref: o.Ref, Channel: o.Channel, User: o.User, UserData: o.UserData, Until: o.Until}
	var err error
	a.Message.ContentType, a.Message.Data, err = wire.ParseData(o.ContentType, o.Encoding, o.Data)
	return a, err
}

// same reports whether a and b ask the same. When each fails is not looked at,
// as who asks again may say how much time is left, nor is what a grant says of
// the user, which a newer token may have changed.
func (a *ask) same(b *ask) bool {
	return a.Channel == b.Channel && a.User == b.User && bytes.Equal(wire.AppendMessage(nil, &a.Message), wire.AppendMessage(nil, &b.Message))
}
