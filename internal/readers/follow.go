package readers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
)

// A Follower reads channels to their closed ends, by one technique after the
// other: each is broken off at a random place, or given up, and the next goes
// on from there. Anything but every entry once and in order, as far as cursors
// tell, is an error.
type Follower struct {
	Server     *Server
	Place      *Place
	Techniques []*Technique // to choose from; the last response may be raw
	Protocols  []string     // to choose from; a WebSocket gets HTTP/1.1
	Random     *rand.Rand
	CutBytes   int // about how many bytes until a cut
	Rotated    bool
	Since      string

	// Took is told each entry that was not had before.
	Took func(by *Technique, it Item) error
	// Told is told what is missing, if Place.MayLose; it may be nil.
	Told func(by *Technique, it Item) error
	// Broke is told how each response ended: nil if it was left for another.
	Broke func(by *Technique, err error)

	closed map[string]bool
}

// Run reads until every channel is closed and read.
func (f *Follower) Run(ctx context.Context) error {
	f.closed = map[string]bool{}
	for len(f.closed) < len(f.Place.Channels) {
		if err := ctx.Err(); err != nil {
			return err
		}
		by := f.choose()
		if err := f.leg(ctx, by); err != nil {
			return fmt.Errorf("%s of %v: %w", by.Name, f.Place.Channels, err)
		}
	}
	return nil
}

func (f *Follower) choose() *Technique {
	for {
		t := f.Techniques[f.Random.IntN(len(f.Techniques))]
		if t.Several || len(f.Place.Channels) == 1 {
			return t
		}
	}
}

// Target returns where by goes on, by a client of its own.
func (f *Follower) Target(by *Technique, cut *Cut) (*Target, Mark) {
	protocol := f.Protocols[f.Random.IntN(len(f.Protocols))]
	if by.Socket {
		protocol = H1
		if f.Server.TLS != "" && f.Random.IntN(4) == 0 {
			protocol = H1S
		}
	}
	t := &Target{Channels: f.Place.Channels, Since: f.Since, Query: url.Values{}}
	if by.Answers && cut != nil { // an answer longer than the cut would never arrive
		t.Query.Set("limit", strconv.Itoa(1+f.Random.IntN(min(1000, max(1, f.CutBytes/1000)))))
	}
	t.Client, t.URL = f.Server.Client(protocol, cut)
	var mark Mark
	t.Cursors, mark = f.Place.Cursors(f.Random.IntN(2) == 0)
	t.LastEventID = by.Name == "sse" && f.Random.IntN(2) == 0
	return t, mark
}

// leg reads by one technique until it is broken off.
func (f *Follower) leg(ctx context.Context, by *Technique) error {
	cut := f.cut(by)
	t, mark := f.Target(by, cut)
	defer t.Client.CloseIdleConnections()
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	most := -1
	if by.Cursors && f.Random.IntN(3) == 0 {
		most = f.Random.IntN(100)
	}
	f.Place.Begin(mark)
	for it, err := range by.Read(ctx, t) {
		if err != nil {
			return f.broken(by, cut, err)
		}
		if err := f.take(by, it); err != nil {
			return err
		}
		if most--; most == -1 || len(f.closed) == len(f.Place.Channels) {
			f.broke(by, nil)
			return nil
		}
	}
	if !f.Rotated && len(f.closed) < len(f.Place.Channels) {
		return errors.New("the response ended before its channels did")
	}
	f.broke(by, io.EOF)
	return nil
}

// cut returns where the next response breaks. A raw WebSocket, which cannot be
// resumed, never does.
func (f *Follower) cut(by *Technique) *Cut {
	if !by.Cursors || f.CutBytes == 0 {
		return nil
	}
	n := f.Random.IntN(1 + f.CutBytes>>f.Random.IntN(6))
	if cursors, _ := f.Place.Cursors(false); by.Name == "page" && len(cursors) < len(f.Place.Channels) {
		n *= 20 // it gives a vector only at its beginning: until it has shown an entry of each channel, nothing is won
	}
	if !by.Socket && f.Random.IntN(2) == 0 {
		return CutBody(n)
	}
	return CutConnection(n)
}

// broken judges how a response ended.
func (f *Follower) broken(by *Technique, cut *Cut, err error) error {
	var status *StatusError
	if !cut.Fired() || errors.As(err, &status) {
		return err
	}
	f.broke(by, err)
	return nil
}

func (f *Follower) broke(by *Technique, err error) {
	if f.Broke != nil {
		f.Broke(by, err)
	}
}

func (f *Follower) take(by *Technique, it Item) error {
	switch it.Notice {
	case Gone:
		for _, ch := range f.Place.Channels {
			f.closed[ch] = true
		}
		return nil
	case "$closed":
		if it.Reason != "" && it.Reason != "closed" || !slices.Contains(f.Place.Channels, it.Channel) {
			return fmt.Errorf("an unexpected end: %+v", it)
		}
		f.closed[it.Channel] = true
	}
	if !by.Cursors {
		if it.Notice == "" {
			return f.Took(by, it)
		}
		return nil
	}
	fresh, err := f.Place.Take(it)
	switch {
	case err != nil:
		return err
	case fresh:
		return f.Took(by, it)
	case f.Told != nil && (it.Notice == "$gap" || it.Notice == "$reset"):
		return f.Told(by, it)
	}
	return nil
}
