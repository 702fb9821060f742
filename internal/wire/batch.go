package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/pabal/pabal"
)

// ParseMessages parses a batch: a message on each line, in an entry's JSON
// form without channel, cursor and time. Blank lines are ignored. Nothing else
// is: an error names the line and what to do, and a batch of more than most
// messages is a [pabal.LimitError]. The messages share no bytes with ndjson,
// and none with each other but fields of the same text.
func ParseMessages(ndjson []byte, most int) ([]pabal.Message, error) {
	room := min(most, 1+bytes.Count(ndjson, []byte("\n")))
	var messages []pabal.Message
	var lines map[string]int // on which each ID is; nil until there is one
	number := 0
	for line := range bytes.SplitSeq(ndjson, []byte("\n")) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(messages) == most {
			return nil, &pabal.LimitError{Limit: "batch-messages", Max: most, What: fmt.Sprintf("a batch of more than %d messages", most)}
		}
		if messages == nil {
			messages = make([]pabal.Message, 0, room)
		}
		last := new(pabal.Message)
		if len(messages) > 0 {
			last = &messages[len(messages)-1]
		}
		m, err := parseMessage(line, last)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if m.ID != "" {
			if first, twice := lines[m.ID]; twice {
				return nil, fmt.Errorf("line %d: the id %.80q is on line %d already; give each message its own", number, m.ID, first)
			}
			if lines == nil {
				lines = make(map[string]int, room)
			}
			lines[m.ID] = number
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// parseMessage parses a line that is not blank. What its fields have in common
// with those of last, the message before it, they share.
func parseMessage(line []byte, last *pabal.Message) (m pabal.Message, err error) {
	if line[0] != '{' {
		return m, fmt.Errorf("a message is a JSON object on one line, such as {\"data\":\"hi\"}; this begins with %q", firstRune(line))
	}
	if !utf8.Valid(line) {
		return m, errors.New("JSON is UTF-8, and this line is not: send such bytes with \"encoding\":\"base64\"")
	}
	f, ok := scan(line)
	if !ok {
		if f, err = members(line); err != nil {
			return m, err
		}
	}
	var p fieldParser
	m = pabal.Message{
		ID:          p.parse("id", f.id, ""),
		Type:        p.parse("type", f.kind, last.Type),
		Key:         p.parse("key", f.key, last.Key),
		ContentType: p.parse("contentType", f.contentType, last.ContentType),
	}
	encoding := p.parse("encoding", f.encoding, "base64")
	if p.err != nil {
		return m, p.err
	}
	if m.ContentType, m.Data, err = ParseData(m.ContentType, encoding, f.data); err != nil {
		return m, err
	}
	if len(f.data) == 0 || encoding != "" || !IsJSON(m.ContentType) {
		return m, m.Check()
	}
	// The data is the value as it stands on the line, so it is copied, lest one
	// message keep the whole batch in memory. It is known to be JSON: instead of
	// reading it again, Check is given a shorter one.
	value := m.Data
	m.Data = someJSON
	err = m.Check()
	m.Data = bytes.Clone(value)
	return m, err
}

var someJSON = []byte("0")

// A fieldParser parses fields of a message until the first that is wrong.
type fieldParser struct{ err error }

// parse returns the string that value, the member name, stands for; "" if there
// is none. If it is last, it is last's bytes, so that many messages of one type
// or key share them.
func (p *fieldParser) parse(name string, value []byte, last string) string {
	if value == nil || p.err != nil {
		return ""
	}
	if text, ok := literal(value); ok {
		if string(text) == last {
			return last
		}
		return string(text)
	}
	if !isString(value) {
		p.err = fmt.Errorf("%s must be a string", name)
		return ""
	}
	text, err := parseString(value)
	if err != nil {
		p.err = fmt.Errorf("%s: %w", name, err)
	}
	return string(text)
}

// parseString returns a copy of what the JSON string value says, and refuses
// half of a surrogate pair.
func parseString(value []byte) ([]byte, error) {
	if err := checkHalves(value); err != nil {
		return nil, err
	}
	return unquote(value)
}

// ParseData returns the content type and the data that the members
// contentType, encoding and data of an entry's JSON form stand for. The data
// is a JSON value, or nothing. What could not arrive as it was meant is
// refused. Data that is JSON is value itself, not a copy.
func ParseData(contentType, encoding string, value json.RawMessage) (of string, data []byte, err error) {
	if !IsJSON(contentType) && isString(value) {
		if err := checkHalves(value); err != nil {
			return "", nil, fmt.Errorf("data: %w", err)
		}
	}
	return parseData(contentType, encoding, value)
}

func firstRune(text []byte) rune {
	r, _ := utf8.DecodeRune(text)
	return r
}
