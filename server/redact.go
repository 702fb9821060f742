package server

import (
	"context"
	"log/slog"
	"regexp"
)

// redacting is a log in which no token is, whatever is logged: a URL that a
// client made up, an error that quotes a header, the value of a panic.
type redacting struct{ slog.Handler }

// redacted returns log without tokens.
func redacted(log *slog.Logger) *slog.Logger {
	if _, done := log.Handler().(redacting); done {
		return log
	}
	return slog.New(redacting{log.Handler()})
}

// Handle implements [slog.Handler].
func (h redacting) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, redact(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(redactAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs implements [slog.Handler].
func (h redacting) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = redactAttr(a)
	}
	return redacting{h.Handler.WithAttrs(clean)}
}

// WithGroup implements [slog.Handler].
func (h redacting) WithGroup(name string) slog.Handler {
	return redacting{h.Handler.WithGroup(name)}
}

func redactAttr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(redact(v.String()))
	case slog.KindGroup:
		group := make([]slog.Attr, 0, len(v.Group()))
		for _, inner := range v.Group() {
			group = append(group, redactAttr(inner))
		}
		a.Value = slog.GroupValue(group...)
	case slog.KindAny:
		if text := v.String(); redact(text) != text { // else it may look better as it is
			a.Value = slog.StringValue(redact(text))
		}
	}
	return a
}

// secrets match what may be a token: what has the form of one, and what stands
// where one belongs, good or bad. "token" may be written with escapes, of which
// each % may be escaped again.
var secrets = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+(?:\.|%2[Ee])[A-Za-z0-9_-]+(?:\.|%2[Ee])[A-Za-z0-9_-]*` +
	`|(?i:(?:t|%(?:25)*[57]4)(?:o|%(?:25)*[46]f)(?:k|%(?:25)*[46]b)(?:e|%(?:25)*[46]5)(?:n|%(?:25)*[46]e)(?:=|%(?:25)*3d))[^\s&;"'<>]+` +
	`|(?i:pabal\.token\.)[^\s,;"']+` +
	`|(?i:bearer)\s+[^\s,;"']+`)

// redact returns text without what may be a token.
func redact(text string) string { return secrets.ReplaceAllString(text, "[redacted]") }
