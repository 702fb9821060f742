package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal/auth"
	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// The crowd reads and publishes in this channel.
const calm = "calm"

// pace is how often the crowd publishes.
const pace = 5 * time.Millisecond

// A crowd reads by several techniques what one publishes, and notices whatever
// is not as it should be. What readers get is held against a ledger.
type crowd struct {
	siege  *siege
	header http.Header
	client *http.Client
	cancel context.CancelFunc
	stop   chan struct{} // publishing
	ended  sync.WaitGroup

	book *ledger.Ledger
	seen []*ledger.Reader
	took []int // by each of them

	mu      sync.Mutex
	wrong   []error
	slowest time.Duration // of a publish
}

// gather has a crowd begin.
func gather(t *testing.T, s *siege) *crowd {
	t.Helper()
	token := s.token(t, auth.Claims{User: "kim", Rights: auth.Rights{Read: []string{calm}, Publish: []string{calm}}})
	ctx, cancel := context.WithCancel(t.Context())
	c := &crowd{
		siege: s, cancel: cancel, stop: make(chan struct{}), client: client(t, http1, nil),
		header: http.Header{"Authorization": {"Bearer " + token}},
		book:   ledger.New(map[string]ledger.Rules{calm: {}}),
	}
	names := []string{"sse", "websocket", "longpoll"}
	begun := make(chan struct{}, len(names))
	c.took = make([]int, len(names))
	for _, name := range names {
		c.seen = append(c.seen, c.book.Log(calm).Reader(name))
	}
	for i, name := range names {
		c.ended.Go(func() {
			if err := c.read(ctx, i, readers.Named(name), begun); err != nil {
				c.fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	c.ended.Go(func() {
		if err := c.publish(ctx); err != nil {
			c.fail(fmt.Errorf("publishing: %w", err))
		}
	})
	for range names {
		select {
		case <-begun:
		case <-time.After(patience):
			t.Fatalf("the crowd does not begin to read: %v", c.failures())
		}
	}
	return c
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, err)
}

func (c *crowd) failures() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong
}

// read reads the channel to its end, by one response where the technique has
// one. It says on begun when it has something.
func (c *crowd) read(ctx context.Context, i int, by *readers.Technique, begun chan<- struct{}) error {
	target := &readers.Target{URL: c.siege.url, Client: c.client, Channels: []string{calm}, Header: c.header}
	account := readers.Account{
		Place: readers.NewPlace(calm), Judges: map[string]readers.Judge{calm: c.seen[i]},
		Took: func(it readers.Item) error {
			if c.took[i]++; c.took[i] == 1 {
				begun <- struct{}{}
			}
			return c.seen[i].Took(ledger.Entry{Cursor: it.Cursor, Token: string(it.Data)})
		},
	}
	for it, err := range by.Read(ctx, target) {
		if err == nil {
			err = account.Take(it)
		}
		if err != nil {
			return err
		}
		if it.Notice == "$closed" {
			if it.Reason != "" && it.Reason != "closed" {
				return fmt.Errorf("it was closed: %+v", it)
			}
			return nil
		}
	}
	return io.ErrUnexpectedEOF
}

// publish publishes at its pace until it is told to stop, and then closes the
// channel.
func (c *crowd) publish(ctx context.Context) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for n, query := 0, ""; query == ""; n++ {
		select {
		case <-ticker.C:
		case <-c.stop:
			query = "?close"
		}
		token := fmt.Sprintf("message %d", n)
		try, err := c.book.Log(calm).Try("", ledger.Message{Token: token})
		if err != nil {
			return err
		}
		begun := time.Now()
		cursor, err := c.post(ctx, query, token)
		if err != nil {
			return err
		}
		if err := try.Acknowledged(false, cursor); err != nil {
			return err
		}
		c.mu.Lock()
		c.slowest = max(c.slowest, time.Since(begun))
		c.mu.Unlock()
	}
	return nil
}

func (c *crowd) post(ctx context.Context, query, text string) (cursor string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.siege.url+"/channels/"+calm+query, strings.NewReader(text))
	if err != nil {
		return "", err
	}
	r.Header = c.header
	res, err := c.client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s (%w)", res.Status, body, err)
	}
	var receipt struct{ Cursor string }
	return receipt.Cursor, json.Unmarshal(body, &receipt)
}

// leave has the crowd end, and tells what it noticed: each of them must have got
// every entry once, in order, without a gap.
func (c *crowd) leave(t *testing.T) {
	t.Helper()
	close(c.stop)
	left := make(chan struct{})
	go func() { c.ended.Wait(); close(left) }()
	select {
	case <-left:
	case <-time.After(patience):
		t.Errorf("the crowd does not come to the end of its channel; of %d entries they have %d", c.book.Counts().Known, c.took)
	}
	c.cancel()
	<-left
	c.client.CloseIdleConnections()
	for _, err := range c.failures() {
		t.Errorf("somebody in the crowd noticed: %v", err)
	}
	if err := c.book.Log(calm).Judge(); err != nil {
		t.Error(err)
	}
	for i, r := range c.seen {
		if last, behind := r.Behind(); behind {
			t.Errorf("a reader has not got %s", last)
		}
		if c.took[i] != c.book.Counts().Known {
			t.Errorf("a reader got %d of %d entries", c.took[i], c.book.Counts().Known)
		}
	}
	t.Logf("%d entries; the slowest publish took %v", c.book.Counts().Known, c.slowest)
}
