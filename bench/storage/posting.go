package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pabal/pabal/bench/internal/job"
)

// A shop is a server that keeps what is published over HTTP, each message on
// the disk before it is answered.
type shop struct {
	row, read, write string
	start            func(w *workshop, dir string) (*server, error)
}

var shops = []*shop{
	{row: "pabal", read: "pabal websocket", write: "pabal", start: func(w *workshop, dir string) (*server, error) {
		return w.pabal("--data="+dir, "--keep-entries=0", "--keep-bytes=0")
	}},
	{row: "mercure", read: "mercure sse", write: "mercure", start: func(w *workshop, dir string) (*server, error) {
		return start(w.at("mercure"), "-history=1000000000", "-file="+filepath.Join(dir, "mercure.db"))
	}},
}

// http measures synced publishes over HTTP.
func (b *bench) http(ctx context.Context, round int) error {
	for _, shop := range turned(shops, round) {
		got := sample{}
		for _, clients := range crowds {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			p, err := b.post(shop, clients)
			if err != nil {
				return fmt.Errorf("%s, %d clients: %w", shop.row, clients, err)
			}
			got[fmt.Sprint("per_s-", clients)] = float64(p.Sent) / p.Seconds
			got[fmt.Sprint("cpu_us-", clients)] = p.ServerCPU * 1e6 / float64(max(p.Sent, 1))
		}
		b.notes("http", shop.row, got)
	}
	return nil
}

// post lets clients publish, each to a channel of its own.
func (b *bench) post(shop *shop, clients int) (got *job.Published, err error) {
	dir, err := os.MkdirTemp(b.dir, "http-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := shop.start(b.workshop, dir)
	if err != nil {
		return nil, err
	}
	err = s.with(func() error {
		target := job.Target{Channels: clients, Publishers: clients, Read: shop.read, Write: shop.write}
		return b.workshop.withLoad(s, target, func(g *generator) (err error) {
			got, err = g.publish(job.Publish{Warm: min(1, b.Seconds), Measure: b.Seconds, Drain: 10})
			return err
		})
	})
	return got, err
}
