package pabal_test

import (
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/pabal/pabal"
)

func TestPositionString(t *testing.T) {
	for want, p := range map[string]pabal.Position{
		"0-0":                                {},
		"1-0":                                {Epoch: 1},
		"z-10":                               {Epoch: 35, Offset: 10},
		"10-7":                               {Epoch: 36, Offset: 7},
		"3w5e11264sgsf-18446744073709551615": {Epoch: math.MaxUint64, Offset: math.MaxUint64},
	} {
		if got := p.String(); got != want {
			t.Errorf("%#v: got %q, want %q", p, got, want)
		}
		if got, err := pabal.ParsePosition(want); err != nil || got != p {
			t.Errorf("ParsePosition(%q): got %#v, %v, want %#v", want, got, err, p)
		}
	}
}

var malformedPositions = []string{
	"", "-", "1", "1-", "-1", "01-1", "1-01", "+1-1", "1-+1", "1--1", "A-1", "1-1-1", " 1-1", "1-1 ", "1_0-1", "1-1_0", "1-a", "~", "0x1-1",
	"3w5e11264sgsg-1", "1-18446744073709551616", "1-1\n", "1–1", strings.Repeat("1", 1<<16) + "-1",
}

func TestParsePositionRefuses(t *testing.T) {
	for _, cursor := range malformedPositions {
		if p, err := pabal.ParsePosition(cursor); err == nil {
			t.Errorf("ParsePosition(%.40q): got %v, want an error", cursor, p)
		} else if len(err.Error()) > 600 {
			t.Errorf("ParsePosition(%.40q): the error has %d bytes", cursor, len(err.Error()))
		}
	}
}

// One position has one cursor, and it needs no escaping anywhere.
func FuzzPosition(f *testing.F) {
	for _, seed := range append([]string{"0-0", "z-10", "3w5e11264sgsf-18446744073709551615"}, malformedPositions...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := pabal.ParsePosition(cursor)
		if err != nil {
			return
		}
		safe(t, cursor)
		if got := p.String(); got != cursor {
			t.Errorf("%q is read as %v, which is written %q", cursor, p, got)
		}
		if strings.HasPrefix(cursor, "~") {
			t.Errorf("%q is both a position and a vector", cursor)
		}
	})
}

// safe checks that cursor can stand in a query, a header, a quoted ETag and a
// line of text as it is.
func safe(t *testing.T, cursor string) {
	t.Helper()
	if escaped := url.QueryEscape(cursor); escaped != cursor || strings.ContainsAny(cursor, "\"\\,; \t\r\n") {
		t.Errorf("cursor %q is not safe: in a query it is %q", cursor, escaped)
	}
}
