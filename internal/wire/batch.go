package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pabal/pabal"
)

// ParseMessages parses a batch: a message on each line, in an entry's JSON
// form without channel, cursor and time. Blank lines are ignored. Nothing else
// is: an error names the line and what to do, and a batch of more than most
// messages is a [pabal.LimitError].
func ParseMessages(ndjson []byte, most int) ([]pabal.Message, error) {
	var messages []pabal.Message
	number := 0
	lines := map[string]int{} // on which each ID is
	for line := range bytes.SplitSeq(ndjson, []byte("\n")) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(messages) == most {
			return nil, &pabal.LimitError{Limit: "batch-messages", Max: most, What: fmt.Sprintf("a batch of more than %d messages", most)}
		}
		m, err := parseMessage(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if first, twice := lines[m.ID]; m.ID != "" && twice {
			return nil, fmt.Errorf("line %d: the id %.80q is on line %d already; give each message its own", number, m.ID, first)
		}
		lines[m.ID] = number
		messages = append(messages, m)
	}
	return messages, nil
}

func parseMessage(line []byte) (m pabal.Message, err error) {
	if line[0] != '{' {
		return m, fmt.Errorf("a message is a JSON object on one line, such as {\"data\":\"hi\"}; this begins with %q", firstRune(line))
	}
	if !utf8.Valid(line) {
		return m, errors.New("JSON is UTF-8, and this line is not: send such bytes with \"encoding\":\"base64\"")
	}
	values, err := members(line)
	if err != nil {
		return m, err
	}
	var encoding string
	for name, field := range map[string]*string{
		"id": &m.ID, "type": &m.Type, "key": &m.Key, "contentType": &m.ContentType, "encoding": &encoding,
	} {
		if value, ok := values[name]; ok {
			if !isString(value) {
				return m, fmt.Errorf("%s must be a string", name)
			}
			if err := unquote(value, field); err != nil {
				return m, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if m.ContentType, m.Data, err = ParseData(m.ContentType, encoding, values["data"]); err != nil {
		return m, err
	}
	return m, m.Check()
}

// ParseData returns the content type and the data that the members
// contentType, encoding and data of an entry's JSON form stand for. The data
// is a JSON value, or nothing. What could not arrive as it was meant is
// refused.
func ParseData(contentType, encoding string, value json.RawMessage) (of string, data []byte, err error) {
	if !IsJSON(contentType) && isString(value) {
		if err := unquote(value, new(string)); err != nil {
			return "", nil, fmt.Errorf("data: %w", err)
		}
	}
	return parseData(contentType, encoding, value)
}

func firstRune(text []byte) rune {
	r, _ := utf8.DecodeRune(text)
	return r
}

// messageMembers are the names that a message's JSON form may have.
var messageMembers = []string{"id", "type", "key", "contentType", "encoding", "data"}

// members returns the members of the object on line, of which each is known
// and there once.
func members(line []byte) (map[string]json.RawMessage, error) {
	in := json.NewDecoder(bytes.NewReader(line))
	if _, err := in.Token(); err != nil {
		return nil, notJSON(err)
	}
	values := make(map[string]json.RawMessage, len(messageMembers))
	for in.More() {
		token, err := in.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		name, _ := token.(string) // else the decoder would have failed
		if err := checkMember(name, values); err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		values[name] = value
	}
	if _, err := in.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object: put each message on a line of its own")
	}
	return values, nil
}

func checkMember(name string, values map[string]json.RawMessage) error {
	if _, twice := values[name]; twice {
		return fmt.Errorf("field %q is there twice", name)
	}
	switch name {
	case "channel", "cursor", "time":
		return fmt.Errorf("field %q: the URL names the channel, and Pabal gives cursor and time; leave it out", name)
	}
	if !slices.Contains(messageMembers, name) {
		return fmt.Errorf("field %.80q is unknown: a message has %s", name, strings.Join(messageMembers, ", "))
	}
	return nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the object does not end on its line: put each message on one line")
	}
	return fmt.Errorf("this is no JSON: %w", err)
}

// unquote sets s to what the JSON string value says. It refuses half of a
// surrogate pair, which no bytes stand for.
func unquote(value json.RawMessage, s *string) error {
	for rest := value; ; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		unit := codeUnit(rest)
		if unit < 0xD800 || unit > 0xDFFF {
			rest = rest[1:]
			continue
		}
		if low := codeUnit(bytes.TrimPrefix(rest[5:], []byte{'\\'})); unit > 0xDBFF || rest[5] != '\\' || low < 0xDC00 || low > 0xDFFF {
			return fmt.Errorf("\\%s is half of a character", rest[:5])
		}
		rest = rest[11:]
	}
	return json.Unmarshal(value, s)
}

// codeUnit returns the UTF-16 code unit that escape, which follows a
// backslash, stands for; 0 if it is none that is written in hex.
func codeUnit(escape []byte) uint64 {
	if len(escape) < 5 || escape[0] != 'u' {
		return 0
	}
	unit, _ := strconv.ParseUint(string(escape[1:5]), 16, 16)
	return unit
}
