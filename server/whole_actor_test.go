package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/pabal/pabal/internal/netsim"
	"github.com/pabal/pabal/internal/readers"
)

// A player is what all actors have.
type player struct {
	whole  *whole
	name   string
	random *rand.Rand
	host   *netsim.Host
	box    string
	broke  *atomic.Bool // a connection has
}

// player makes a player with a host of its own, whose link follows from its
// name.
func (w *whole) player(name, box string) player {
	p := player{whole: w, name: name, random: w.random(name), box: box, broke: new(atomic.Bool)}
	r := w.random("link of " + name)
	l := netsim.Link{
		Delay: time.Duration(r.IntN(150)) * time.Millisecond, Jitter: time.Duration(r.IntN(100)) * time.Millisecond,
		Room: 2<<10 + r.IntN(30<<10), Broken: true,
	}
	if r.IntN(3) == 0 {
		l.Rate = 16<<10 + r.IntN(64<<10)
	}
	p.host = w.net.Host(name, l)
	w.hosts = append(w.hosts, p.host)
	return p
}

func (p *player) call() string { return p.name }

func (p *player) note(about []string, format string, args ...any) {
	p.whole.story.note(p.name, about, format, args...)
}

// client returns a client of connections of its own, which note that they
// broke. It must be closed.
func (p *player) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableCompression: true}}
}

func (p *player) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := p.host.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &noting{c, p.broke}, nil
}

// A noting connection notes its end.
type noting struct {
	net.Conn
	broke *atomic.Bool
}

func (n *noting) Read(b []byte) (int, error) {
	c, err := n.Conn.Read(b)
	if err != nil {
		n.broke.Store(true)
	}
	return c, err
}

// url returns the address of one node or another.
func (p *player) url() string {
	return p.whole.ways[way{p.random.IntN(len(p.whole.nodes)), p.box}]
}

// pause waits between least and most.
func (p *player) pause(ctx context.Context, least, most time.Duration) bool {
	return pause(ctx, least+time.Duration(p.random.Int64N(int64(most-least))))
}

// wrong returns err as a broken promise to p.
func (p *player) wrong(channels []string, format string, args ...any) error {
	return &broken{p.name, channels, fmt.Errorf(format, args...)}
}

// passing reports whether err is of what passes: a connection that broke, or a
// server that wants one to come again.
func (p *player) passing(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	for _, broke := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT, context.DeadlineExceeded} {
		if errors.Is(err, broke) {
			return true
		}
	}
	for _, text := range []string{"server closed idle connection", "connection broken", "malformed chunked encoding", "unexpected EOF reading trailer", `\"status\":503`} { // the last in a script of an iframe
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	if p.broke.Load() && strings.Contains(err.Error(), "malformed MIME header") {
		return true // within one
	}
	if slices.Contains([]websocket.StatusCode{websocket.StatusGoingAway, websocket.StatusTryAgainLater, websocket.StatusInternalError}, websocket.CloseStatus(err)) {
		return true
	}
	var status *readers.StatusError
	if !errors.As(err, &status) {
		return false
	}
	if said, ok := status.Problem(); ok && said.Status == http.StatusServiceUnavailable {
		return true // also of a script, whose status is 200
	}
	return status.Status == http.StatusServiceUnavailable || status.Status == http.StatusBadGateway && p.box != ""
}

// gets notes and counts that p gets an item.
func (p *player) gets(channels []string, it readers.Item) {
	if it.Notice == readers.At {
		return
	}
	p.note(channels, "gets %s", brief(it))
	p.whole.count(func(c *wholeCounts) {
		switch it.Notice {
		case "":
			c.Taken++
		case "$open":
			c.Connections++
		case "$gap", "$reset":
			c.Told++
		}
	})
}

// brief returns an item in a few words.
func brief(it readers.Item) string {
	if it.Notice == "" {
		return fmt.Sprintf("%s: %s at %s", it.Channel, entryOf("", it.Data).Token, it.Cursor)
	}
	text := it.Notice + " " + it.Channel
	for _, more := range []string{it.Reason, it.From, it.To, it.Cursor, strings.Join(it.Cursors, " ")} {
		if more != "" {
			text += " " + more
		}
	}
	return text
}
