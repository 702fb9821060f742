package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// modelMessages is what ParseMessages has to do, written with encoding/json
// and without a thought for speed.
func modelMessages(ndjson []byte, most int) ([]pabal.Message, error) {
	var messages []pabal.Message
	lines := map[string]int{}
	for i, line := range bytes.Split(ndjson, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(messages) == most {
			return nil, &pabal.LimitError{Limit: "batch-messages", Max: most, What: fmt.Sprintf("a batch of more than %d messages", most)}
		}
		m, err := modelMessage(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if first, twice := lines[m.ID]; m.ID != "" && twice {
			return nil, fmt.Errorf("line %d: the id %.80q is on line %d already; give each message its own", i+1, m.ID, first)
		}
		lines[m.ID] = i + 1
		messages = append(messages, m)
	}
	return messages, nil
}

func modelMessage(line []byte) (m pabal.Message, err error) {
	if line[0] != '{' {
		first, _ := utf8.DecodeRune(line)
		return m, fmt.Errorf("a message is a JSON object on one line, such as {\"data\":\"hi\"}; this begins with %q", first)
	}
	if !utf8.Valid(line) {
		return m, errors.New("JSON is UTF-8, and this line is not: send such bytes with \"encoding\":\"base64\"")
	}
	values, err := modelMembers(line)
	if err != nil {
		return m, err
	}
	var encoding string
	into := map[string]*string{"id": &m.ID, "type": &m.Type, "key": &m.Key, "contentType": &m.ContentType, "encoding": &encoding}
	for _, name := range modelNames[:5] {
		value, ok := values[name]
		switch {
		case !ok:
			continue
		case value[0] != '"':
			return m, fmt.Errorf("%s must be a string", name)
		}
		if *into[name], err = modelString(value); err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
	}
	if m.ContentType, m.Data, err = modelData(m.ContentType, encoding, values["data"]); err != nil {
		return m, fmt.Errorf("%w", err)
	}
	return m, m.Check()
}

var modelNames = []string{"id", "type", "key", "contentType", "encoding", "data"}

func modelMembers(line []byte) (map[string]json.RawMessage, error) {
	broken := func(err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the object does not end on its line: put each message on one line")
		}
		return fmt.Errorf("this is no JSON: %w", err)
	}
	in := json.NewDecoder(bytes.NewReader(line))
	if _, err := in.Token(); err != nil {
		return nil, broken(err)
	}
	values := map[string]json.RawMessage{}
	for in.More() {
		token, err := in.Token()
		if err != nil {
			return nil, broken(err)
		}
		name := token.(string)
		switch _, twice := values[name]; {
		case twice:
			return nil, fmt.Errorf("field %q is there twice", name)
		case slices.Contains([]string{"channel", "cursor", "time"}, name):
			return nil, fmt.Errorf("field %q: the URL names the channel, and Pabal gives cursor and time; leave it out", name)
		case !slices.Contains(modelNames, name):
			return nil, fmt.Errorf("field %.80q is unknown: a message has %s", name, strings.Join(modelNames, ", "))
		}
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return nil, broken(err)
		}
		values[name] = value
	}
	if _, err := in.Token(); err != nil {
		return nil, broken(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object: put each message on a line of its own")
	}
	return values, nil
}

// modelData is what ParseData has to do.
func modelData(contentType, encoding string, value json.RawMessage) (of string, data []byte, err error) {
	var text string
	if len(value) > 0 && value[0] == '"' && !wire.IsJSON(contentType) {
		if text, err = modelString(value); err != nil {
			return "", nil, fmt.Errorf("data: %w", err)
		}
	}
	switch {
	case encoding != "" && encoding != "base64":
		return "", nil, fmt.Errorf("encoding %.80q: base64 is the only one", encoding)
	case value == nil:
		return contentType, nil, nil
	case encoding == "base64":
		if err := json.Unmarshal(value, &text); err != nil {
			return "", nil, errors.New("data: with encoding base64 it must be a string")
		}
		if data, err = base64.StdEncoding.DecodeString(text); err != nil {
			return "", nil, fmt.Errorf("data: %w (standard alphabet, padded)", err)
		}
		return contentType, data, nil
	case wire.IsJSON(contentType):
		return contentType, value, nil
	case value[0] == '"':
		return contentType, []byte(text), nil
	case contentType == "":
		return "application/json", value, nil
	}
	return "", nil, fmt.Errorf("data: of content type %.80q it must be a string, with encoding base64 if it is not UTF-8", contentType)
}

var (
	escapes    = regexp.MustCompile(`\\(u[0-9a-fA-F]{4}|.)`)
	surrogates = regexp.MustCompile(`(?i)^\\ud[89a-f]`)
)

// modelString returns what the JSON string value says, unless half of a
// surrogate pair is in it.
func modelString(value json.RawMessage) (text string, err error) {
	next := 0 // where the second half of a pair may be
	found := escapes.FindAllIndex(value, -1)
	for i, at := range found {
		escape := value[at[0]:at[1]]
		if !surrogates.Match(escape) || at[0] < next {
			continue
		}
		high, _ := strconv.ParseUint(string(escape[2:]), 16, 16)
		paired := false
		if i+1 < len(found) && found[i+1][0] == at[1] {
			low := value[found[i+1][0]:found[i+1][1]]
			unit, _ := strconv.ParseUint(string(low[2:]), 16, 16)
			paired = high < 0xDC00 && surrogates.Match(low) && unit >= 0xDC00
		}
		if !paired {
			return "", fmt.Errorf("%s is half of a character", escape)
		}
		next = found[i+1][1]
	}
	err = json.Unmarshal(value, &text)
	return text, err
}
