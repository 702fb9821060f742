package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/demo/crowd"
)

// Config is what a [Match] needs.
type Config struct {
	Hub  *pabal.Hub
	Log  *slog.Logger
	Seed uint64 // of the first match; 0: one at random

	// Refuse answers with an error of that status.
	Refuse func(w http.ResponseWriter, status int, detail string)
}

// A Match is the match, the crowd, and what is asked of them at /dev/match.
type Match struct {
	engine *engine
	crowd  *crowd.Crowd
	refuse func(w http.ResponseWriter, status int, detail string)

	mu    sync.Mutex
	asked time.Time
}

// New returns a match that waits for [Match.Run].
func New(c Config) *Match {
	return &Match{engine: newEngine(c.Hub, c.Log, c.Seed), crowd: crowd.New(Plays), refuse: c.Refuse}
}

// Run plays, whenever somebody is there, until ctx ends. It returns when all
// that it has begun has ended.
func (m *Match) Run(ctx context.Context) {
	var playing sync.WaitGroup
	playing.Go(func() { m.engine.run(ctx) })
	defer playing.Wait()
	defer m.crowd.Close()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.mu.Lock()
			forgotten := time.Since(m.asked) >= patience
			m.mu.Unlock()
			if forgotten {
				m.crowd.Clear()
			}
		}
	}
}

func (m *Match) ask() {
	m.mu.Lock()
	m.asked = time.Now()
	m.mu.Unlock()
	m.engine.attend()
}

// ServeHTTP answers
//
//	GET  /dev/match        how the match stands, and how the crowd fares
//	POST /dev/match        {"speed":20}
//	POST /dev/match/crowd  {"viewers":200,"via":"sse"}
//
// each with what the first does.
func (m *Match) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var do func(r *http.Request) error
	switch r.URL.Path {
	case "/dev/match":
		do = m.setSpeed
	case "/dev/match/crowd":
		do = m.setCrowd
	default:
		m.refuse(w, http.StatusNotFound, "there is nothing at this URL; GET /dev/match says how the match stands, POST /dev/match/crowd sets the crowd")
		return
	}
	switch {
	case r.Method == http.MethodPost:
		if err := do(r); err != nil {
			m.refuse(w, http.StatusBadRequest, err.Error())
			return
		}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD, POST")
		m.refuse(w, http.StatusMethodNotAllowed, r.URL.Path+" knows GET and POST")
		return
	}
	m.ask()
	m.answer(w)
}

// answer is what all requests get.
func (m *Match) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct { // whoever left needs no answer
		Match State `json:"match"`
		crowd.Status
	}{m.engine.current(), m.crowd.Status()})
}

// mostAsked is how long a request's body may be.
const mostAsked = 4 << 10

// read reads the body of r into what, which has all members that it may have.
func read(r *http.Request, what any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, mostAsked))
	d.DisallowUnknownFields()
	if err := d.Decode(what); err != nil {
		return fmt.Errorf("the body is not what is asked for here: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body goes on after its JSON: send one object")
	}
	return nil
}

func (m *Match) setSpeed(r *http.Request) error {
	ask := struct {
		Speed float64 `json:"speed"`
	}{}
	if err := read(r, &ask); err != nil {
		return err
	}
	if !(ask.Speed >= slowest && ask.Speed <= fastest) {
		return fmt.Errorf("a match cannot be played at the speed %v: %v to %v can be had, as in {\"speed\":20}", ask.Speed, slowest, fastest)
	}
	m.engine.setSpeed(ask.Speed)
	return nil
}

func (m *Match) setCrowd(r *http.Request) error {
	ask := struct {
		Viewers *int   `json:"viewers"`
		Via     string `json:"via"`
	}{Via: "sse"}
	if err := read(r, &ask); err != nil {
		return err
	}
	if ask.Viewers == nil {
		return errors.New(`say how many viewers, as in {"viewers":200,"via":"sse"}`)
	}
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || r.TLS != nil && *ask.Viewers > 0 {
		return errors.New("viewers read over plain HTTP: start the server without TLS, or ask it at an address where it has none")
	}
	to := crowd.Target{Address: at.String(), Header: http.Header{}}
	for _, name := range []string{"Authorization", "Cookie"} { // they may what the one who asks may
		if values := r.Header.Values(name); len(values) > 0 {
			to.Header[name] = values
		}
	}
	return m.crowd.Set(to, ask.Via, *ask.Viewers)
}
