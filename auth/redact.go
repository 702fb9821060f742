package auth

import (
	"net/url"
	"strings"
)

const redacted = "redacted"

// Redact returns a URL, or its path and query, without the token that may be
// in the query, however its name is written: for what is logged. What is not a
// URL is left as it is, but for the same.
func Redact(rawURL string) string {
	path, query, _ := strings.Cut(rawURL, "?")
	if !suspicious(rawURL) {
		return rawURL
	}
	if holdsToken(path) { // its ? was escaped
		path = redacted
	}
	if query == "" {
		return path
	}
	pieces := strings.FieldsFunc(query, func(c rune) bool { return c == '&' || c == ';' })
	for i, piece := range pieces {
		name, value, _ := strings.Cut(piece, "=")
		switch {
		case strings.EqualFold(strings.TrimSpace(unescape(name)), "token"):
			pieces[i] = "token=" + redacted
		case holdsToken(name):
			pieces[i] = redacted
		case holdsToken(value):
			pieces[i] = name + "=" + redacted
		}
	}
	return path + "?" + strings.Join(pieces, "&")
}

// suspicious reports whether there may be a token in query.
func suspicious(query string) bool {
	return strings.Contains(query, "%") || strings.Contains(strings.ToLower(query), "token")
}

// holdsToken reports whether text, a part of a query, is another URL with a
// token, escaped however often.
func holdsToken(text string) bool {
	for range 4 {
		if strings.Contains(strings.ToLower(text), "token=") {
			return true
		}
		text = unescape(text)
	}
	return strings.Contains(strings.ToLower(text), "token=")
}

// unescape undoes what can be undone of text, piece by piece.
func unescape(text string) string {
	if whole, err := url.QueryUnescape(text); err == nil {
		return whole
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if i+2 < len(text) && text[i] == '%' {
			if c, err := url.QueryUnescape(text[i : i+3]); err == nil {
				out.WriteString(c)
				i += 2
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}
