package wire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pabal/pabal"
)

// object is the members of all that has a JSON form.
type object struct {
	Channel pabal.Channel `json:"channel"`
	Cursor  string        `json:"cursor"`
	entryMembers
	noticeMembers
}

type entryMembers struct {
	Time        time.Time       `json:"time"`
	Type        string          `json:"type"`
	ID          string          `json:"id"`
	Key         string          `json:"key"`
	ContentType string          `json:"contentType"`
	Encoding    string          `json:"encoding"`
	Data        json.RawMessage `json:"data"`
}

type noticeMembers struct {
	Notice     pabal.NoticeKind `json:"notice"`
	From       string           `json:"from"`
	To         string           `json:"to"`
	Reason     pabal.Reason     `json:"reason"`
	Count      int              `json:"count"`
	Heartbeat  float64          `json:"heartbeat"`
	Connection string           `json:"connection"`
	Channels   []pabal.Channel  `json:"channels"`
	Cursors    []string         `json:"cursors"`
	Expires    time.Time        `json:"expires"`
}

// Parse parses the JSON form of an entry or of a notice; the other is nil.
// Members that it does not know are ignored. The entry's Prev is not known.
func Parse(text []byte) (*pabal.Entry, *Notice, error) {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, nil, fmt.Errorf("%.80q is neither an entry nor a notice: %w", text, err)
	}
	if o.Notice != "" {
		return nil, o.notice(), nil
	}
	e, err := o.entry()
	if err != nil {
		return nil, nil, fmt.Errorf("the entry %.80q: %w", text, err)
	}
	return e, nil, nil
}

// ParseEntry parses an entry's JSON form. Members that it does not know are
// ignored. The entry's Prev is not known.
func ParseEntry(text []byte) (*pabal.Entry, error) {
	switch e, _, err := Parse(text); {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, fmt.Errorf("a notice is no entry: %.80q", text)
	default:
		return e, nil
	}
}

func (o *object) entry() (*pabal.Entry, error) {
	at, err := pabal.ParsePosition(o.Cursor)
	if err != nil {
		return nil, err
	}
	contentType, data, err := parseData(o.ContentType, o.Encoding, o.Data)
	if err != nil {
		return nil, err
	}
	m := pabal.Message{ID: o.ID, Type: o.Type, Key: o.Key, ContentType: contentType, Data: data}
	return &pabal.Entry{Channel: o.Channel, Epoch: at.Epoch, Offset: at.Offset, Time: o.Time, Message: m}, nil
}

func (o *object) notice() *Notice {
	return &Notice{
		Kind: o.Notice, Channel: o.Channel, Cursor: o.Cursor, From: o.From, To: o.To,
		Reason: o.Reason, Count: o.Count, Heartbeat: time.Duration(math.Round(o.Heartbeat * float64(time.Second))),
		Connection: o.Connection, Channels: o.Channels, Cursors: o.Cursors, Expires: o.Expires,
	}
}

// parseData returns what the members contentType, encoding and data stand for.
func parseData(contentType, encoding string, value json.RawMessage) (of string, data []byte, err error) {
	switch {
	case encoding != "" && encoding != "base64":
		return "", nil, fmt.Errorf("encoding %.80q: base64 is the only one", encoding)
	case len(value) == 0:
		return contentType, nil, nil
	case encoding == "base64":
		if data, err = parseBase64(value); err != nil {
			return "", nil, fmt.Errorf("data: %w", err)
		}
		return contentType, data, nil
	case IsJSON(contentType):
		return contentType, value, nil
	case isString(value):
		if data, err = unquote(value); err != nil {
			return "", nil, fmt.Errorf("data: %w", err)
		}
		return contentType, data, nil
	case contentType == "":
		return impliedJSON, value, nil
	}
	return "", nil, fmt.Errorf("data: of content type %.80q it must be a string, with encoding base64 if it is not UTF-8", contentType)
}

// parseBase64 returns what the JSON value, a string or null, stands for.
func parseBase64(value json.RawMessage) ([]byte, error) {
	text, ok := literal(value)
	if !ok {
		var unquoted string
		if err := json.Unmarshal(value, &unquoted); err != nil {
			return nil, errors.New("with encoding base64 it must be a string")
		}
		text = []byte(unquoted)
	}
	data, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	if err != nil {
		return nil, fmt.Errorf("%w (standard alphabet, padded)", err)
	}
	return data, nil
}
