package pabal_test

import (
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/pabal/pabal"
)

func TestParseChannel(t *testing.T) {
	for _, name := range []string{
		"chat", "sports/kbo/lg-doosan", "a", "A-Z_0.9:x", "...", "a/.b", "a/b..", "$host/cpu", "$", "-", ":", strings.Repeat("x", 5000),
	} {
		if got, err := pabal.ParseChannel(name); err != nil || string(got) != name {
			t.Errorf("ParseChannel(%.20q): got %.20q, %v", name, got, err)
		}
	}
}

// What is wrong is named, and so is what is allowed.
func TestParseChannelRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"":             "no name",
		"/":            "a segment is empty",
		"/a":           "a segment is empty",
		"a/":           "a segment is empty",
		"a//b":         "a segment is empty",
		".":            `may not be "."`,
		"..":           `may not be ".."`,
		"a/../b":       `may not be ".."`,
		"a/.":          `may not be "."`,
		"a b":          `byte ' '`,
		"a$":           `byte '$'`,
		"a/$b":         `byte '$'`,
		"a%2fb":        `byte '%'`,
		"a\\b":         `byte '\\'`,
		"a?b":          `byte '?'`,
		"a\x00":        `byte '\x00'`,
		"파발":           "is not allowed",
		"a\xff":        "is not allowed",
		"a,b":          "letters, digits and -_.:/",
		"$a*":          "letters, digits and -_.:/",
		"chat#section": "byte '#'",
	} {
		_, err := pabal.ParseChannel(name)
		var invalid *pabal.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseChannel(%q): got %v, want an InvalidError that says %q", name, err, want)
		}
	}
}

func TestOwn(t *testing.T) {
	for name, want := range map[pabal.Channel]bool{"$host/cpu": true, "$": true, "host": false, "": false} {
		if got := name.Own(); got != want {
			t.Errorf("Channel(%q).Own(): got %v, want %v", name, got, want)
		}
	}
}

// A name that is accepted stands in a URL as it is, and nothing on the way has
// a reason to clean it.
func FuzzChannel(f *testing.F) {
	for _, seed := range []string{"chat", "a/b", "$host/cpu", "", "a/../b", "a//b", "a b", "a%2fb", "파발", ".a", "a:b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		ch, err := pabal.ParseChannel(name)
		if err != nil {
			if ch != "" {
				t.Errorf("refused with %v, but got %q", err, ch)
			}
			return
		}
		if string(ch) != name {
			t.Errorf("got %q, want it unchanged", ch)
		}
		if got := path.Clean("/channels/" + name); got != "/channels/"+name {
			t.Errorf("a router would clean it to %q", got)
		}
		u, err := url.Parse("http://host/channels/" + name)
		if err != nil || u.Path != "/channels/"+name || u.EscapedPath() != u.Path || u.RawQuery != "" {
			t.Errorf("in a URL it reads %q, %v", u, err)
		}
	})
}
