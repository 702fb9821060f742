// Package wire is the one JSON form of what Pabal sends: entries, notices and
// the answers and batches that hold them. Transports, the API and the clients
// all write and read it here.
//
//	{"channel":"chat","cursor":"3w5e11264sg-7","time":"2026-05-01T09:30:00.25Z","type":"say","data":"hi"}
//
// What is empty is left out. Data is
//   - any JSON value, if the content type is JSON and the bytes parse;
//   - a string, if the content type is text in UTF-8, or none, and the bytes are UTF-8;
//   - base64 with "encoding":"base64", in every other case.
//
// The content type is left out where the message has none, and where it is
// "application/json" and data shows that by being no string. So a reader
// takes data that is no string for JSON; a string for JSON too if contentType
// says so; for base64 if encoding says so; and for text otherwise. Nothing is
// lost but the white space between JSON tokens.
package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pabal/pabal"
)

// Line is an entry in its JSON form and a line feed. Whoever wants the form
// without it slices it off, so that all share the same bytes.
var Line = &pabal.Format{Name: "json", Encode: func(e *pabal.Entry) []byte {
	return append(AppendEntry(nil, e), '\n')
}}

// Entry returns e's JSON form. It is made once and shared, so it must not be
// written to.
func Entry(e *pabal.Entry) []byte {
	line := e.Encoded(Line)
	return line[: len(line)-1 : len(line)-1]
}

// AppendEntry appends e's JSON form to dst. It is one line, in UTF-8.
func AppendEntry(dst []byte, e *pabal.Entry) []byte {
	dst = slices.Grow(dst, 160+len(e.Channel)+e.Size()+e.Size()/4)
	dst = append(dst, '{')
	dst = appendText(dst, "channel", string(e.Channel))
	dst = appendName(dst, "cursor")
	dst = append(e.Position().Append(append(dst, '"')), '"')
	if !e.Time.IsZero() {
		dst = appendName(dst, "time")
		dst = append(AppendTime(append(dst, '"'), e.Time), '"')
	}
	return append(appendMessage(dst, &e.Message), '}')
}

// AppendMessage appends m as a line of a batch has it: an entry's JSON form
// without channel, cursor and time, and without a line feed.
func AppendMessage(dst []byte, m *pabal.Message) []byte {
	return append(appendMessage(append(dst, '{'), m), '}')
}

// AppendTime appends t as it stands in entries and headers: RFC 3339 in UTC
// with as many decimals as it needs.
func AppendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, time.RFC3339Nano)
}

func appendMessage(dst []byte, m *pabal.Message) []byte {
	dst = appendText(dst, "type", m.Type)
	dst = appendText(dst, "id", m.ID)
	dst = appendText(dst, "key", m.Key)
	if len(m.Data) == 0 {
		return appendText(dst, "contentType", m.ContentType)
	}
	switch {
	case m.JSON():
		if with, ok := appendJSON(dst, m); ok {
			return with
		}
	case IsText(m.ContentType) && utf8.Valid(m.Data):
		dst = appendText(dst, "contentType", m.ContentType)
		return appendString(appendName(dst, "data"), m.Data)
	}
	dst = appendText(dst, "contentType", m.ContentType)
	dst = appendText(dst, "encoding", "base64")
	dst = append(appendName(dst, "data"), '"')
	return append(base64.StdEncoding.AppendEncode(dst, m.Data), '"')
}

// appendJSON appends m's content type and data, unless the data is no JSON
// text: then it returns dst as it was.
func appendJSON(dst []byte, m *pabal.Message) (with []byte, ok bool) {
	if !utf8.Valid(m.Data) {
		return dst, false
	}
	with = dst
	if m.ContentType != impliedJSON || isString(m.Data) {
		with = appendText(with, "contentType", m.ContentType)
	}
	buffer := bytes.NewBuffer(appendName(with, "data"))
	if err := json.Compact(buffer, m.Data); err != nil {
		return dst, false
	}
	return buffer.Bytes(), true
}

// impliedJSON is the content type of data that is a JSON value but no string.
const impliedJSON = "application/json"

// isString reports whether value, if it is a JSON value, is a string.
func isString(value []byte) bool {
	value = bytes.TrimLeft(value, " \t\r\n")
	return len(value) > 0 && value[0] == '"'
}

// appendName appends the name of an object's next member.
func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(dst, '"'), name...), '"', ':')
}

// appendText appends a member, unless its value is empty.
func appendText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendString(appendName(dst, name), value)
}
