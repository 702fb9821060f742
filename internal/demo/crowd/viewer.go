package crowd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
)

// A viewer reads until it leaves. Where its connection ends it goes on at its
// place by another.
type viewer struct {
	crowd  *Crowd
	target Target
	read   func(*viewer, *line) error
	cancel context.CancelFunc
	state  atomic.Int32

	place pabal.Position // after the last entry; zero: it has none yet
	seq   int            // of the last play; 0: it has seen none yet
}

const (
	silence = 40 * time.Second // without a sign of life; the server gives one every 15 s, unless told otherwise
	dialing = 5 * time.Second
	again   = time.Second // and as much again at most, before a viewer connects anew
)

// The states of a viewer.
const (
	coming = iota
	reading
	left
)

// leave has v leave. From now on it does not count.
func (v *viewer) leave() {
	if v.state.Swap(left) == reading {
		v.crowd.reading.Add(-1)
	}
	v.cancel()
}

func (v *viewer) run(ctx context.Context) {
	defer v.cancel()
	for v.crowd.await(ctx) {
		if err := v.connect(ctx); err != nil && ctx.Err() == nil {
			v.crowd.say(err)
		}
		if !rest(ctx, again+rand.N(again)) {
			return
		}
	}
}

// connect reads by one connection, until it ends.
func (v *viewer) connect(ctx context.Context) error {
	dialer := net.Dialer{Timeout: dialing, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", v.target.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	l := &line{Conn: conn}
	l.in = bufio.NewReaderSize(l, 1024)
	err = v.read(v, l)
	if errors.Is(err, io.EOF) {
		return nil // the server ends what it has begun, now and then
	}
	return err
}

// watch counts v as one that reads while f does.
func (v *viewer) watch(f func() error) error {
	if v.state.CompareAndSwap(coming, reading) {
		v.crowd.reading.Add(1)
	}
	defer func() {
		if v.state.CompareAndSwap(reading, coming) {
			v.crowd.reading.Add(-1)
		}
	}()
	return f()
}

// take checks what v has got, and when.
func (v *viewer) take(all []entry, now time.Time) {
	c := v.crowd
	if v.state.Load() == left {
		return
	}
	for i := range all {
		e := &all[i]
		if e.place.Epoch == v.place.Epoch && e.place.Offset <= v.place.Offset {
			c.repeated.Add(1)
			continue
		}
		v.place = e.place
		c.read.Add(1)
		c.lag.add(now, now.Sub(e.time))
		if e.seq == 0 { // somebody else published it
			continue
		}
		if v.seq > 0 && e.seq > v.seq+1 {
			c.lost.Add(int64(e.seq - v.seq - 1))
		}
		v.seq = e.seq
	}
}

// ask sends the request for what follows v's place, by the technique via.
func (v *viewer) ask(l *line, via string, query url.Values, more http.Header) error {
	switch {
	case v.place != pabal.Position{}:
		query.Set("cursor", v.place.String())
	default:
		query.Set("since", "now")
	}
	query.Set("via", via)
	address := url.URL{Scheme: "http", Host: v.target.Address, Path: "/channels/" + string(v.crowd.channel), RawQuery: query.Encode()}
	r := &http.Request{Method: http.MethodGet, URL: &address, Host: v.target.Address, Header: v.target.Header.Clone()}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	for name, values := range more {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "pabal-crowd")
	out := bufio.NewWriterSize(l.Conn, 512)
	if err := r.Write(out); err != nil {
		return err
	}
	return out.Flush()
}

// head reads the head of an answer, which must have that status or one that
// also is good.
func (v *viewer) head(l *line, status ...int) (*http.Response, error) {
	answer, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return nil, err
	}
	for _, good := range status {
		if answer.StatusCode == good {
			return answer, nil
		}
	}
	defer answer.Body.Close()
	why, err := io.ReadAll(io.LimitReader(answer.Body, 300))
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("a viewer was answered with %s: %s", answer.Status, why)
}

// A line is a connection that is taken for broken when nothing comes for long.
type line struct {
	net.Conn
	in *bufio.Reader
}

// Read implements [io.Reader].
func (l *line) Read(p []byte) (int, error) {
	if err := l.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return l.Conn.Read(p)
}
