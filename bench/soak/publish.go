package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pabal/pabal/internal/readers"
)

// ahead is how many entries publishers may be ahead of the readers' average,
// so that readers are at the tail as well as behind it.
const ahead = 3000

// publishAll publishes all entries, then closes the channels.
func publishAll(ctx context.Context, o *options, server *readers.Server, l *ledger) error {
	client, base := server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = o.publishers
	var all sync.WaitGroup
	errs := make([]error, o.publishers)
	for i := range o.publishers {
		share := o.entries / o.publishers
		if i < o.entries%o.publishers {
			share++
		}
		p := &publisher{client: client, base: base, ledger: l, number: i, random: rand.New(rand.NewPCG(o.seed, uint64(i)))}
		all.Go(func() { errs[i] = p.run(ctx, share) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, ch := range l.channels {
		if _, err := post(ctx, client, base+"/channels/"+ch.name+"?close", "text/plain", nil); err != nil {
			return err
		}
	}
	return nil
}

type publisher struct {
	client *http.Client
	base   string
	ledger *ledger
	number int
	random *rand.Rand
}

func (p *publisher) run(ctx context.Context, entries int) error {
	for done := 0; done < entries; {
		size := 1
		if p.random.IntN(2) == 0 {
			size = min(1+p.random.IntN(60), entries-done)
		}
		texts := make([]string, size)
		for i := range texts {
			texts[i] = fmt.Sprintf("%d.%d %s", p.number, done+i, strings.Repeat("x", p.random.IntN(200)))
		}
		ch := p.ledger.channels[p.random.IntN(len(p.ledger.channels))]
		cursors, err := p.publish(ctx, ch.name, texts)
		if err != nil {
			return err
		}
		for i, cursor := range cursors {
			if err := ch.acknowledge(cursor, texts[i]); err != nil {
				return err
			}
		}
		done += size
		p.ledger.published.Add(int64(size))
		if err := p.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rest waits while publishers are too far ahead.
func (p *publisher) rest(ctx context.Context) error {
	for p.ledger.lead() > ahead {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// publish publishes texts at once, and returns their cursors.
func (p *publisher) publish(ctx context.Context, channel string, texts []string) ([]string, error) {
	url := p.base + "/channels/" + channel
	if len(texts) == 1 {
		receipt, err := post(ctx, p.client, url, "text/plain", []byte(texts[0]))
		return []string{receipt.Cursor}, err
	}
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, text := range texts {
		if err := lines.Encode(map[string]string{"data": text}); err != nil {
			return nil, err
		}
	}
	receipt, err := post(ctx, p.client, url, "application/x-ndjson", body.Bytes())
	if err == nil && len(receipt.Cursors) != len(texts) {
		err = fmt.Errorf("a batch of %d got %d cursors", len(texts), len(receipt.Cursors))
	}
	return receipt.Cursors, err
}

// A receipt answers a publish.
type receipt struct {
	Cursor  string
	Cursors []string
}

func post(ctx context.Context, client *http.Client, url, contentType string, body []byte) (r receipt, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	request.Header.Set("Content-Type", contentType)
	resp, err := client.Do(request)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return r, err
	}
	if resp.StatusCode != http.StatusOK {
		return r, fmt.Errorf("publish: status %d: %s", resp.StatusCode, text)
	}
	return r, json.Unmarshal(text, &r)
}
