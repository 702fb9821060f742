package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pabal/pabal/auth"
)

type tokenInspectCmd struct {
	Token      string `arg:"" optional:"" help:"Token to explain; - or none is standard input, where no list of processes shows it."`
	SecretFile string `placeholder:"FILE" help:"Check the signature with the secret in a file."`
	KeyFile    string `placeholder:"FILE" help:"Check it with the public keys or certificates in a file, in PEM."`
	JWKSFile   string `name:"jwks-file" placeholder:"FILE" help:"Check it with the keys in a file, as a JSON Web Key Set."`
	JWKSURL    string `name:"jwks-url" placeholder:"URL" help:"Check it with the keys at a URL, as a JSON Web Key Set."`
	Audience   string `placeholder:"TEXT" help:"Check that it is for this audience."`
	Issuer     string `placeholder:"TEXT" help:"Check that it was made by this issuer."`
}

// Help is said by pabal token inspect --help.
func (tokenInspectCmd) Help() string {
	return "Ends with 0 if the token is good as far as it was checked, and with 1 if it is not. Without a key the signature is not checked, so that anybody may have made the token."
}

// Run explains the token, and fails if it is no good.
func (i *tokenInspectCmd) Run(ctx context.Context, parsed *kong.Context, out io.Writer) error {
	text, err := i.read(os.Stdin)
	if err != nil {
		return err
	}
	token, err := auth.Inspect(text)
	if err != nil {
		return err
	}
	keys, err := i.keys(parsed.Stderr)
	if err != nil {
		return err
	}
	if keys != nil {
		defer keys.Close()
	}
	now := time.Now()
	if err := explain(out, token, now); err != nil {
		return err
	}
	said := "NOT CHECKED: anybody may have made this token. Give --secret-file, --key-file, --jwks-file or --jwks-url"
	var wrong error
	if keys != nil {
		said = "holds"
		if wrong = keys.Signed(ctx, text); wrong != nil {
			said = "DOES NOT HOLD"
		}
	}
	if _, err := fmt.Fprintf(out, "%-17s %s\n", "signature", said); err != nil {
		return err
	}
	return errors.Join(wrong, i.judge(&token.Claims, now))
}

// read returns the token to explain.
func (i *tokenInspectCmd) read(in io.Reader) (string, error) {
	if i.Token != "" && i.Token != "-" {
		return i.Token, nil
	}
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if len(text) > most {
		return "", fmt.Errorf("standard input has more than %d bytes, which is no token", most)
	}
	return strings.TrimSpace(string(text)), nil
}

// keys returns what checks signatures, if there is a key for that.
func (i *tokenInspectCmd) keys(stderr io.Writer) (*auth.Authenticator, error) {
	c := auth.Config{JWKS: i.JWKSURL, Log: slog.New(slog.NewTextHandler(stderr, nil))}
	if i.SecretFile != "" {
		c.Keys = append(c.Keys, auth.Key{Algorithm: "HS256", File: i.SecretFile})
	}
	for _, file := range []string{i.KeyFile, i.JWKSFile} {
		if file != "" {
			c.Keys = append(c.Keys, auth.Key{File: file})
		}
	}
	if len(c.Keys) == 0 && c.JWKS == "" {
		return nil, nil
	}
	return auth.New(c)
}

// judge says what of c is no good at now.
func (i *tokenInspectCmd) judge(c *auth.Claims, now time.Time) error {
	var all []error
	if !c.Expires.IsZero() && !now.Before(c.Expires) {
		all = append(all, errors.New("the token has expired"))
	}
	if now.Before(c.NotBefore) {
		all = append(all, errors.New("the token is not good yet"))
	}
	if i.Issuer != "" && i.Issuer != c.Issuer {
		all = append(all, fmt.Errorf("the token was made by %q, not by %q", c.Issuer, i.Issuer))
	}
	if i.Audience != "" && !slices.Contains(c.Audience, i.Audience) {
		all = append(all, fmt.Errorf("the token is for %q, not for %q", c.Audience, i.Audience))
	}
	return errors.Join(all...)
}

// explain says on w what a token says.
func explain(w io.Writer, t *auth.Token, now time.Time) error {
	c := &t.Claims
	lines := [][2]string{
		{"user", cmp.Or(quoted(c.User), "nobody in particular")},
		{"may read", listed(c.Rights.Read)},
		{"may publish to", listed(c.Rights.Publish)},
		{"may call", listed(c.Rights.Call)},
		{"may see who is in", listed(c.Rights.See)},
		{"shows of itself", cmp.Or(shown(string(c.Data)), "nothing")},
		{"expires", "never: a server takes it only if it is told to"},
	}
	if !c.Expires.IsZero() {
		lines[len(lines)-1][1] = moment(c.Expires, now)
	}
	for _, more := range []struct {
		name, text string
		there      bool
	}{
		{"good from", moment(c.NotBefore, now), !c.NotBefore.IsZero()},
		{"made", moment(c.IssuedAt, now), !c.IssuedAt.IsZero()},
		{"made by", quoted(c.Issuer), c.Issuer != ""},
		{"made for", fmt.Sprintf("%q", c.Audience), len(c.Audience) > 0},
		{"algorithm", quoted(t.Algorithm), true},
		{"key", quoted(t.KeyID), t.KeyID != ""},
	} {
		if more.there {
			lines = append(lines, [2]string{more.name, more.text})
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%-17s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

// quoted returns text in quotes, unless it can be shown as it is.
func quoted(text string) string {
	if shown(text) == text && !strings.ContainsAny(text, " \"") {
		return text
	}
	return strconv.Quote(text)
}

// shown returns text with what is for a terminal, and not for a reader, as \u….
func shown(text string) string {
	var out strings.Builder
	for _, c := range text {
		if strconv.IsPrint(c) {
			out.WriteRune(c)
		} else {
			_, _ = fmt.Fprintf(&out, "\\u%04x", c) // it never fails
		}
	}
	return out.String()
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// moment says when at is, and how long that is from now.
func moment(at, now time.Time) string {
	text := at.Format(time.RFC3339)
	d := at.Sub(now).Round(time.Second)
	if d > 0 {
		return fmt.Sprintf("%s, in %v", text, d)
	}
	return fmt.Sprintf("%s, %v ago", text, -d)
}
