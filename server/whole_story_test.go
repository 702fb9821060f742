package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// A story is all that happens in a run, in order.
type story struct {
	mu    sync.Mutex
	begun time.Time
	notes []note
}

// A note is one thing that happens.
type note struct {
	at    time.Duration
	who   string
	about []string // channels; nil: it may concern all
	text  string
}

func (n note) String() string { return fmt.Sprintf("%9.3fs  %-14s %s", n.at.Seconds(), n.who, n.text) }

func (s *story) note(who string, about []string, format string, args ...any) {
	n := note{at: time.Since(s.begun), who: who, about: about, text: fmt.Sprintf(format, args...)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, n)
}

func (s *story) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tell(s.notes)
}

func tell(notes []note) string {
	var text strings.Builder
	for _, n := range notes {
		fmt.Fprintln(&text, n)
	}
	return text.String()
}

// A broken promise is told of by whom it concerns.
type broken struct {
	who      string
	channels []string
	err      error
}

func (b *broken) Error() string { return b.who + ": " + b.err.Error() }
func (b *broken) Unwrap() error { return b.err }

// of returns what of the story concerns a failure: what its reader did, what
// happened to all, and who published what in its channels; of a long one the
// beginning, and most of the end.
func (s *story) of(failure error) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var about *broken
	if !errors.As(failure, &about) {
		about = &broken{}
	}
	var kept []note
	for _, n := range s.notes {
		concerns := slices.ContainsFunc(n.about, func(ch string) bool {
			return slices.Contains(about.channels, ch) && strings.HasPrefix(n.who, "publisher")
		})
		if about.who == "" || n.who == about.who || n.about == nil || concerns {
			kept = append(kept, n)
		}
	}
	const first, last = 15, 120
	if len(kept) <= first+last {
		return tell(kept)
	}
	return tell(kept[:first]) + fmt.Sprintf("\t… %d lines …\n", len(kept)-first-last) + tell(kept[len(kept)-last:])
}

// A storyteller is a log that is a part of a story.
type storyteller struct {
	story *story
	who   string
}

func (s storyteller) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (s storyteller) WithAttrs([]slog.Attr) slog.Handler           { return s }
func (s storyteller) WithGroup(string) slog.Handler                { return s }

func (s storyteller) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	s.story.note(s.who, nil, "logs: %s", text)
	return nil
}
