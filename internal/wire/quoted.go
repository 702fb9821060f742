package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// literal returns what the JSON string value says, if it says it literally:
// without escapes, in UTF-8. The text is a part of value.
func literal(value []byte) (text []byte, ok bool) {
	end := len(value) - 1
	if end < 1 || value[0] != '"' || value[end] != '"' || bytes.IndexByte(value, '\\') >= 0 || !utf8.Valid(value) {
		return nil, false
	}
	return value[1:end], true
}

// unquote returns a copy of what the JSON string value says. Half of a
// surrogate pair becomes U+FFFD.
func unquote(value []byte) ([]byte, error) {
	if text, ok := literal(value); ok {
		return bytes.Clone(text), nil
	}
	if text, ok := unescape(value); ok {
		return text, nil
	}
	var text string
	err := json.Unmarshal(value, &text)
	return []byte(text), err
}

// unescape returns what the JSON string value says, unless there is in it what
// is not often seen: characters written as two escapes, and worse.
func unescape(value []byte) (text []byte, ok bool) {
	end := len(value) - 1
	if end < 1 || value[0] != '"' || value[end] != '"' || !utf8.Valid(value) {
		return nil, false
	}
	text = make([]byte, 0, len(value)) // no escape is shorter than what it stands for
	for rest := value[1:end]; ; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 {
			return append(text, rest...), true
		}
		text, rest = append(text, rest[:i]...), rest[i+1:]
		n := escapeLen(rest)
		if n == 0 {
			return nil, false
		}
		if rest[0] == 'u' {
			unit := rune(codeUnit(rest))
			if utf16.IsSurrogate(unit) {
				return nil, false
			}
			text = utf8.AppendRune(text, unit)
		} else {
			text = append(text, escaped[rest[0]])
		}
		rest = rest[n:]
	}
}

// escaped is what stands behind a backslash, and what it means.
var escaped = [...]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// checkHalves refuses a JSON string with half of a surrogate pair, which no
// bytes stand for.
func checkHalves(value []byte) error {
	for rest := value; ; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 {
			return nil
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
