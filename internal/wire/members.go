package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// messageMembers are the names that a message's JSON form may have.
const messageMembers = "id, type, key, contentType, encoding, data"

// members returns the members of the object on line, of which each is known
// and there once. It takes its time, and says what is wrong.
func members(line []byte) (f fields, err error) {
	in := json.NewDecoder(bytes.NewReader(line))
	if _, err := in.Token(); err != nil {
		return f, notJSON(err)
	}
	for in.More() {
		token, err := in.Token()
		if err != nil {
			return f, notJSON(err)
		}
		name, _ := token.(string) // else the decoder would have failed
		field := f.named([]byte(name))
		if err := checkMember(name, field); err != nil {
			return f, err
		}
		if err := in.Decode((*json.RawMessage)(field)); err != nil {
			return f, notJSON(err)
		}
	}
	if _, err := in.Token(); err != nil {
		return f, notJSON(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return f, errors.New("something follows the object: put each message on a line of its own")
	}
	return f, nil
}

// checkMember reports why the member name, whose place is field, may not follow.
func checkMember(name string, field *[]byte) error {
	switch {
	case name == "channel" || name == "cursor" || name == "time":
		return fmt.Errorf("field %q: the URL names the channel, and Pabal gives cursor and time; leave it out", name)
	case field == nil:
		return fmt.Errorf("field %.80q is unknown: a message has %s", name, messageMembers)
	case *field != nil:
		return fmt.Errorf("field %q is there twice", name)
	}
	return nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the object does not end on its line: put each message on one line")
	}
	return fmt.Errorf("this is no JSON: %w", err)
}
