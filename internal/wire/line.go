package wire

import "bytes"

// fields are the members of a message's JSON form: each a JSON value as it
// stands in its line, nil where there is none.
type fields struct{ id, kind, key, contentType, encoding, data []byte }

// named returns the place of the member name, nil if a message has none.
func (f *fields) named(name []byte) *[]byte {
	switch string(name) {
	case "data":
		return &f.data
	case "id":
		return &f.id
	case "type":
		return &f.kind
	case "key":
		return &f.key
	case "contentType":
		return &f.contentType
	case "encoding":
		return &f.encoding
	}
	return nil
}

// scan finds the members of the object on line, which begins with { and is
// UTF-8, in one pass and without a copy. It understands what publishers write.
// It reports false for all that is wrong and for what is merely unusual: then
// [members] has to decide, and to say why.
func scan(line []byte) (f fields, ok bool) {
	last := len(line) - 1
	i := skipSpace(line, 1)
	if i == last {
		return f, line[i] == '}'
	}
	for i < last {
		end := stringEnd(line, i)
		if end < 0 {
			return f, false
		}
		field := f.named(line[i+1 : end-1])
		if i = skipSpace(line, end); field == nil || *field != nil || i >= last || line[i] != ':' {
			return f, false
		}
		i = skipSpace(line, i+1)
		if end = valueEnd(line, i, 0); end < 0 {
			return f, false
		}
		*field = line[i:end:end]
		if i = skipSpace(line, end); i >= last || line[i] != ',' {
			return f, i == last && line[i] == '}'
		}
		i = skipSpace(line, i+1)
	}
	return f, false
}

// maxDepth is how deep scan follows arrays and objects in each other.
const maxDepth = 100

// skipSpace returns where the white space at i ends.
func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}

// valueEnd returns where the JSON value at i ends, -1 if there is none.
func valueEnd(text []byte, i, depth int) int {
	if i >= len(text) || depth > maxDepth {
		return -1
	}
	switch text[i] {
	case '"':
		return stringEnd(text, i)
	case '{':
		return listEnd(text, i, '}', depth)
	case '[':
		return listEnd(text, i, ']', depth)
	case 't':
		return wordEnd(text, i, "true")
	case 'f':
		return wordEnd(text, i, "false")
	case 'n':
		return wordEnd(text, i, "null")
	}
	return numberEnd(text, i)
}

// listEnd returns where the object or array at i ends, whose last byte is
// closing.
func listEnd(text []byte, i int, closing byte, depth int) int {
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == closing {
		return i + 1
	}
	for {
		if closing == '}' {
			if i = stringEnd(text, i); i < 0 {
				return -1
			}
			if i = skipSpace(text, i); i >= len(text) || text[i] != ':' {
				return -1
			}
			i = skipSpace(text, i+1)
		}
		if i = valueEnd(text, i, depth+1); i < 0 {
			return -1
		}
		switch i = skipSpace(text, i); {
		case i < len(text) && text[i] == ',':
			i = skipSpace(text, i+1)
		case i < len(text) && text[i] == closing:
			return i + 1
		default:
			return -1
		}
	}
}

func wordEnd(text []byte, i int, word string) int {
	if !bytes.HasPrefix(text[i:], []byte(word)) {
		return -1
	}
	return i + len(word)
}

// numberEnd returns where the number at i ends: -? (0 | [1-9][0-9]*)
// (.[0-9]+)? ([eE][+-]?[0-9]+)?
func numberEnd(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if i = digitsEnd(text, i); i < 0 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		if i = digitsEnd(text, i+1); i < 0 {
			return -1
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return digitsEnd(text, i)
	}
	return i
}

// digitsEnd returns where the digits at i end, -1 if there is none.
func digitsEnd(text []byte, i int) int {
	start := i
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// stringEnd returns where the JSON string at i ends, -1 if there is none.
func stringEnd(text []byte, i int) int {
	if i >= len(text) || text[i] != '"' {
		return -1
	}
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			n := escapeLen(text[i+1:])
			if n == 0 {
				return -1
			}
			i += n
		}
	}
	return -1
}

// escapeLen returns how many bytes belong to the escape that text begins with
// after its backslash, 0 if it is none.
func escapeLen(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		for i := 1; i < 5; i++ {
			if i == len(text) || !isHex(text[i]) {
				return 0
			}
		}
		return 5
	}
	return 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
