package server

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

const someToken = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"nothing": "nothing",
		"GET /channels/chat?via=sse&token=abc&since=all":            "GET /channels/chat?via=sse&[redacted]&since=all",
		"/channels/chat?%74oken=abc":                                "/channels/chat?[redacted]",
		"/channels/chat?%2574ok%65n%3Dabc":                          "/channels/chat?[redacted]",
		"/channels/chat?TOKEN=abc;x=1":                              "/channels/chat?[redacted];x=1",
		"Authorization: Bearer abc.def":                             "Authorization: [redacted]",
		"protocols pabal.v1, pabal.token.abc, x":                    "protocols pabal.v1, [redacted], x",
		"a cookie pabal_token=" + someToken + "; b=c":               "a cookie pabal_[redacted]; b=c",
		"/channels/" + someToken:                                    "/channels/[redacted]",
		strings.ReplaceAll("x "+someToken+" y", ".", "%2e"):         "x [redacted] y",
		"the token has expired":                                     "the token has expired",
		"/channels/tokens?prefix=token":                             "/channels/tokens?prefix=token",
		`Get "http://localhost/keys?token=abc": connection refused`: `Get "http://localhost/keys?[redacted]": connection refused`,
	} {
		if got := redact(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// A token is nowhere in a log, however it comes there.
func TestRedactedLog(t *testing.T) {
	var out bytes.Buffer
	log := redacted(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if redacted(log) != log {
		t.Error("a log without tokens was made one again")
	}
	log.With("a", someToken).WithGroup("g").Debug("message "+someToken, "text", someToken, "error", errors.New(someToken),
		slog.Group("inner", "b", "token=abcdef"), "bytes", []string{someToken}, "number", 5)
	slog.NewLogLogger(log.Handler(), slog.LevelWarn).Printf("http: panic serving: %v", someToken)
	if text := out.String(); strings.Contains(text, "eyJ") || strings.Contains(text, "abcdef") || strings.Count(text, "[redacted]") != 7 || !strings.Contains(text, `"number":5`) {
		t.Errorf("got %s, want seven tokens redacted, and the rest", text)
	}
}
