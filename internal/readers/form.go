package readers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// form is the members of an entry and of a notice in JSON.
type form struct {
	Notice  string `json:"notice"`
	Channel string `json:"channel"`
	Cursor  string `json:"cursor"`
	message
	Detail
}

type message struct {
	Time        time.Time       `json:"time"`
	Type        string          `json:"type"`
	ID          string          `json:"id"`
	Key         string          `json:"key"`
	ContentType string          `json:"contentType"`
	Encoding    string          `json:"encoding"`
	Data        json.RawMessage `json:"data"`
}

// parseForm parses the JSON form of an entry or a notice.
func parseForm(text []byte) (Item, error) {
	var f form
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Item{}, fmt.Errorf("%.200q is neither an entry nor a notice: %w", text, err)
	}
	if d.More() {
		return Item{}, fmt.Errorf("something follows in %.200q", text)
	}
	return f.item()
}

func (f *form) item() (Item, error) {
	it := Item{Notice: f.Notice, Channel: f.Channel, Cursor: f.Cursor, Detail: f.Detail}
	if f.Notice != "" {
		if strings.HasPrefix(f.Cursor, "~") {
			it.Cursor, it.Vector = "", f.Cursor
		}
		return it, nil
	}
	if f.Channel == "" || f.Cursor == "" || f.Time.IsZero() {
		return it, fmt.Errorf("an entry without channel, cursor or time: %+v", f)
	}
	it.Type, it.ID, it.Key = f.Type, f.ID, f.Key
	var err error
	it.ContentType, it.Data, err = f.data()
	return it, err
}

// data returns what contentType, encoding and data stand for.
func (m *message) data() (contentType string, data []byte, err error) {
	var text string
	isString := len(m.Data) > 0 && m.Data[0] == '"'
	if isString {
		if err := json.Unmarshal(m.Data, &text); err != nil {
			return "", nil, err
		}
	}
	isJSON := m.ContentType == "application/json" || strings.HasSuffix(m.ContentType, "+json")
	switch {
	case m.Encoding == "base64" && isString:
		data, err = base64.StdEncoding.DecodeString(text)
		return m.ContentType, data, err
	case m.Encoding != "":
		return "", nil, fmt.Errorf("encoding %q of %.80q", m.Encoding, m.Data)
	case len(m.Data) == 0:
		return m.ContentType, nil, nil
	case isJSON:
		return m.ContentType, m.Data, nil
	case isString:
		return m.ContentType, []byte(text), nil
	case m.ContentType == "":
		return "application/json", m.Data, nil
	}
	return "", nil, fmt.Errorf("data %.80q of type %q is no string", m.Data, m.ContentType)
}
