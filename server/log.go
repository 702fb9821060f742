package server

import (
	"io"
	"log/slog"

	"github.com/pabal/pabal/server/config"
)

// NewLog returns a logger that writes to w as c says.
func NewLog(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // which a checked configuration never needs
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: durationsInWords}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// durationsInWords writes durations with their unit, 10s: in JSON they would
// be numbers of nanoseconds.
func durationsInWords(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
