package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pabal/pabal/internal/pattern"
)

// What a token may hold at most.
const (
	maxPatterns     = 100     // in its lists together: token-patterns
	maxPatternBytes = 255     // token-pattern-bytes
	maxUserBytes    = 255     // token-user-bytes
	maxDataBytes    = 4 << 10 // token-data-bytes
)

// Claims are what a token says. Times are in whole seconds.
type Claims struct {
	User      string    // sub; empty: nobody in particular
	Issuer    string    // iss
	Audience  []string  // aud
	Expires   time.Time // exp; zero: never
	NotBefore time.Time // nbf; zero: it is good at once
	IssuedAt  time.Time // iat

	Rights Rights
	Data   json.RawMessage // what presence shows of the user; nil: nothing
}

// Rights are names of channels, in which * may stand.
type Rights struct {
	Read    []string `json:"read,omitempty"`
	Publish []string `json:"publish,omitempty"`
	Call    []string `json:"call,omitempty"`
	See     []string `json:"see,omitempty"`
}

// listNames are what the lists are called, in the order of the actions.
var listNames = [4]string{"read", "publish", "call", "see"}

// lists returns the lists of r in that order.
func (r *Rights) lists() [4]*[]string {
	return [4]*[]string{&r.Read, &r.Publish, &r.Call, &r.See}
}

// own are the claims of Pabal's own.
type own struct {
	Rights
	Data json.RawMessage `json:"data,omitempty"`
}

// wireClaims are claims as they are written.
type wireClaims struct {
	Issuer    string   `json:"iss,omitempty"`
	User      string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	NotBefore int64    `json:"nbf,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	Pabal     own      `json:"pabal"`
}

// append appends c as JSON.
func (c *Claims) append(dst []byte) ([]byte, error) {
	w := wireClaims{c.Issuer, c.User, c.Audience, seconds(c.Expires), seconds(c.NotBefore), seconds(c.IssuedAt), own{c.Rights, c.Data}}
	out := bytes.NewBuffer(dst)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false) // data stays as it is
	err := e.Encode(w)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// kept returns of c, which was parsed, what makes the same grant again.
func (c *Claims) kept() []byte {
	text, err := (&Claims{User: c.User, Expires: c.Expires, Rights: c.Rights, Data: c.Data}).append(nil)
	if err != nil {
		panic(err) // the data is JSON, or it had not been parsed
	}
	return text
}

// parseClaims parses what a token says. The error is a *problem.Problem.
func parseClaims(text []byte) (*Claims, error) {
	all, err := members(text)
	if err != nil {
		return nil, refuse("the token's claims are not what they should be: %v", err)
	}
	c := new(Claims)
	for _, claim := range []struct {
		name string
		err  error
	}{
		{"sub", all.text("sub", &c.User)},
		{"iss", all.text("iss", &c.Issuer)},
		{"aud", all.texts("aud", &c.Audience)},
		{"exp", all.time("exp", &c.Expires)},
		{"nbf", all.time("nbf", &c.NotBefore)},
		{"iat", all.time("iat", &c.IssuedAt)},
	} {
		if claim.err != nil {
			return nil, refuse("the token's claim %q %v", claim.name, claim.err)
		}
	}
	if err := checkUser(c.User); err != nil {
		return nil, err
	}
	if text, ok := all.get("pabal"); ok {
		err = c.parseOwn(text)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// parseOwn parses the claims of Pabal's own.
func (c *Claims) parseOwn(text []byte) error {
	all, err := members(text)
	if err != nil {
		return refuse(`the token's claim "pabal" is not what it should be: %v`, err)
	}
	total := 0
	for a, into := range c.Rights.lists() {
		name := listNames[a]
		if err := all.texts(name, into); err != nil {
			return refuse(`the token's claim "pabal" has a list %q that %v`, name, err)
		}
		if total += len(*into); total > maxPatterns {
			return overLimit("token-patterns", maxPatterns, "the token names more than %d channels in its lists; name several at once with *, as in sports/*", maxPatterns)
		}
		if err := checkPatterns(name, *into); err != nil {
			return err
		}
	}
	if data, ok := all.get("data"); ok {
		if c.Data, err = compact(data); err != nil {
			return err
		}
	}
	for name := range all {
		if name != "data" && !slices.Contains(listNames[:], name) {
			return refuse(`the token's claim "pabal" has a member %.40q, which is not known; it may have read, publish, call, see and data`, name)
		}
	}
	return nil
}

func checkPatterns(list string, patterns []string) error {
	for _, text := range patterns {
		if len(text) > maxPatternBytes {
			return overLimit("token-pattern-bytes", maxPatternBytes, "the token's list %q has a name of %d bytes, %d at most", list, len(text), maxPatternBytes)
		}
		var p pattern.Pattern
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return refuse("the token's list %q: %v", list, err)
		}
	}
	return nil
}

// checkUser checks the name of a user. What cannot be told from another name,
// or breaks a line of a log, is none.
func checkUser(user string) error {
	if len(user) > maxUserBytes {
		return overLimit("token-user-bytes", maxUserBytes, `the token's user ("sub") has %d bytes, %d at most`, len(user), maxUserBytes)
	}
	if strings.ContainsFunc(user, unicode.IsControl) || strings.ContainsRune(user, utf8.RuneError) {
		return refuse(`the token's user ("sub") has a control character, or one that is not Unicode`)
	}
	return nil
}

// compact returns data without white space between its parts.
func compact(data []byte) (json.RawMessage, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return nil, refuse("the token's data is not JSON: %v", err)
	}
	if out.Len() > maxDataBytes {
		return nil, overLimit("token-data-bytes", maxDataBytes, "the token's data has %d bytes, %d at most", out.Len(), maxDataBytes)
	}
	return out.Bytes(), nil
}

// object holds the members of a JSON object.
type object map[string]json.RawMessage

// members parses a JSON object. Names are taken as they are written, and none
// may be there twice, so that nobody can read another meaning into a token.
func members(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	all := make(object)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("not JSON")
		}
		if _, twice := all[name.(string)]; twice {
			return nil, fmt.Errorf("%.40q is there twice", name)
		}
		all[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return all, nil
}

// get returns the member of that name; null is none.
func (o object) get(name string) (json.RawMessage, bool) {
	value, ok := o[name]
	return value, ok && string(value) != "null"
}

func (o object) text(name string, into *string) error {
	value, ok := o.get(name)
	if ok && json.Unmarshal(value, into) != nil {
		return errors.New("is not a string")
	}
	return nil
}

// texts takes one string for a list of it, as RFC 7519 has it for aud.
func (o object) texts(name string, into *[]string) error {
	value, ok := o.get(name)
	if !ok {
		return nil
	}
	if value[0] == '"' {
		*into = []string{""}
		return json.Unmarshal(value, &(*into)[0])
	}
	var list []*string
	if json.Unmarshal(value, &list) != nil {
		return errors.New("is not a list of strings")
	}
	for _, text := range list {
		if text == nil {
			return errors.New("is not a list of strings")
		}
		*into = append(*into, *text)
	}
	return nil
}

// The last second of the year 9999.
const lastSecond = 253402300799

// time takes whole seconds: half a second less than was said, never more.
func (o object) time(name string, into *time.Time) error {
	value, ok := o.get(name)
	if !ok {
		return nil
	}
	var s float64
	if json.Unmarshal(value, &s) != nil || s < 1 || s >= lastSecond+1 {
		return errors.New("is not a time in seconds since 1970")
	}
	*into = time.Unix(int64(math.Floor(s)), 0).UTC()
	return nil
}
