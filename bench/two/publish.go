package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// flights are how many messages each publisher has under way.
var flights = []int{1, 32}

// kept is how many messages a server keeps of a channel, where it keeps any.
const kept = "1000"

// stores start the servers that are published to. All run at once, and are
// published to in turn.
var stores = []struct {
	name  string
	own   bool // it is a Pabal
	start func(w *workshop, dir string) (*server, error)
}{
	{"memory", true, func(w *workshop, _ string) (*server, error) {
		return w.pabal("--broker=memory", "--keep-entries="+kept)
	}},
	{"disk", true, func(w *workshop, dir string) (*server, error) {
		return w.pabal("--broker=disk", "--data="+dir, "--keep-entries="+kept)
	}},
	{"centrifuge", false, func(w *workshop, _ string) (*server, error) { return start(w.at("centrifuge")) }},
	{"centrifuge history", false, func(w *workshop, _ string) (*server, error) { return start(w.at("centrifuge"), "-history="+kept) }},
}

// publish measures what an acknowledged publish costs the server.
func (b *bench) publish(ctx context.Context, round int) (err error) {
	dir, err := os.MkdirTemp(b.dir, "publish-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	servers := fleet{}
	defer func() { err = servers.stop(err) }()
	for _, s := range stores {
		if b.alone && !s.own {
			continue
		}
		if servers[s.name], err = s.start(b.workshop, dir); err != nil {
			delete(servers, s.name)
			return err
		}
	}
	sent := map[string]int{}
	for _, r := range turned(roads, round) {
		if servers[r.server] == nil {
			continue
		}
		got, n, err := b.travel(ctx, r, servers[r.server])
		if err != nil {
			return err
		}
		sent[r.server] += n
		b.notes("publish", r.row, got)
	}
	return allKept(ctx, servers, sent)
}

// travel has a crew publish on one road, and says how many messages it sent.
func (b *bench) travel(ctx context.Context, r *road, s *server) (got sample, sent int, err error) {
	c, err := hire(r, s, b.Publishers)
	if err != nil {
		return nil, 0, err
	}
	defer c.close()
	got = sample{}
	for _, flight := range flights {
		if flight > 1 && r.path == "" {
			continue // HTTP/1.1 has an answer before the next request
		}
		burst, err := c.burst(ctx, flight, b.Seconds)
		if err != nil {
			return nil, 0, fmt.Errorf("%d under way: %w", flight, err)
		}
		n := float64(burst.acknowledged)
		got[fmt.Sprint("cpu_us-", flight)] = burst.cpu.Seconds() * 1e6 / n
		got[fmt.Sprint("per_s-", flight)] = n / burst.took.Seconds()
	}
	for _, p := range c.publishers {
		sent += p.sent
	}
	return got, sent, nil
}

// allKept checks that each Pabal counted as many messages as it acknowledged:
// all of them were waited for.
func allKept(ctx context.Context, servers fleet, sent map[string]int) error {
	for _, store := range stores {
		if !store.own {
			continue
		}
		published, err := servers[store.name].metric(ctx, "pabal_published_total")
		if err == nil && published != float64(sent[store.name]) {
			err = fmt.Errorf("%d messages were acknowledged, and the server counted %.0f", sent[store.name], published)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", store.name, err)
		}
	}
	return nil
}
