package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A publisher publishes numbered messages to one channel, one after the other,
// straight to the server.
type publisher struct {
	kind     *kind
	server   func() string // its address at present
	tally    *tally
	channel  int
	size     int // of a message
	interval time.Duration
	client   *http.Client
}

// publishTime is how long an answer may take.
const publishTime = 5 * time.Second

// run publishes until ctx ends. The message under way then is brought to its
// end.
func (p *publisher) run(ctx context.Context) {
	p.client = &http.Client{Timeout: publishTime, Transport: &http.Transport{}}
	defer p.client.CloseIdleConnections()
	tick := time.NewTicker(p.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.publish(p.tally.try(p.channel))
		}
	}
}

// publish publishes a message. Where the server knows IDs, it repeats it under
// the same ID until it is answered; elsewhere only if it surely never got
// there, as the connection was refused. So after anything else that goes wrong
// the outcome is unknown.
func (p *publisher) publish(number int) {
	data, id := text(p.channel, number, p.size), fmt.Sprintf("m%d-%d", p.channel, number)
	for end := time.Now().Add(4 * publishTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		err := p.post(id, data)
		if err == nil {
			p.tally.acknowledge(p.channel, number)
			return
		}
		var refused *net.OpError
		if !p.kind.ids && (!errors.As(err, &refused) || refused.Op != "dial") {
			return
		}
	}
}

// post posts a message once.
func (p *publisher) post(id, data string) error {
	r, err := p.kind.post("http://"+p.server(), channel(p.channel), id, data)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}
