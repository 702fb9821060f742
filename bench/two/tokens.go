package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// tokenRows are who reads: the first two without a token, from servers without
// keys, of which the second shows what a ratio is when nothing differs.
var tokenRows = []row{{"open", "without a token"}, {"control", "without a token, another server"}, {"hs256", "a token, HS256"}, {"es256", "a token, ES256"}}

// paces are how many messages come to them at once, with one publish.
var paces = []struct {
	key, name string
	batch     int
}{{"single", "one at a time", 1}, {"many", "16 at a time", 16}}

// turns are how often the servers take turns.
const turns = 10

// tokens measures what tokens cost readers.
func (b *bench) tokens(ctx context.Context, round int) error {
	k, err := newKeys(b.dir)
	if err != nil {
		return err
	}
	for _, t := range techniques {
		if err := b.fanout(ctx, k, t, round); err != nil {
			return fmt.Errorf("%s: %w", t.key, err)
		}
	}
	return nil
}

// A stage is a server with its readers, and who publishes to them.
type stage struct {
	row      string
	server   *server
	audience *audience
	poster   *socket
	header   string // of what it posts
	sent     int64
	got      sample
}

// fanout measures deliveries by one technique, to readers of three servers.
func (b *bench) fanout(ctx context.Context, k *keys, t *technique, round int) (err error) {
	servers := fleet{}
	defer func() { err = servers.stop(err) }()
	var stages []*stage
	defer func() {
		for _, s := range stages {
			s.leave()
		}
	}()
	for _, r := range turned(tokenRows, round) {
		args := []string{"--broker=memory", "--heartbeat=10m"}
		if file := k.files[r.key]; file != "" {
			args = append(args, file)
		}
		if servers[r.key], err = b.workshop.pabal(args...); err != nil {
			delete(servers, r.key)
			return err
		}
		s := &stage{row: r.key, server: servers[r.key], got: sample{}}
		stages = append(stages, s)
		if err := s.fill(ctx, k, t, b.Readers); err != nil {
			return err
		}
	}
	if err := b.play(ctx, stages); err != nil {
		return err
	}
	for _, r := range tokenRows {
		i := slices.IndexFunc(stages, func(s *stage) bool { return s.row == r.key })
		b.notes("tokens "+t.key, r.key, stages[i].got)
	}
	return nil
}

// fill lets readers connect, and once more; and whoever publishes to them.
func (s *stage) fill(ctx context.Context, k *keys, t *technique, readers int) error {
	headers := make([]string, readers+1)
	for i := range headers {
		var err error
		if headers[i], err = k.header(s.row, i); err != nil {
			return err
		}
	}
	open := func(c *socket, i int) error { return c.get(t.path, t.header+headers[i], t.status) }
	for _, column := range []string{"warm_us", "connect_us", "again_us"} {
		if column == "connect_us" { // tokens that the server has not seen
			for i := range headers {
				var err error
				if headers[i], err = k.header(s.row, readers+1+i); err != nil {
					return err
				}
			}
		}
		if s.audience != nil {
			s.audience.leave()
		}
		spent, err := s.server.spent(func() (err error) {
			s.audience, err = gather(ctx, s.server, handshakes, readers, open)
			return err
		})
		if err != nil {
			return err
		}
		s.got[column] = spent.Seconds() * 1e6 / float64(readers)
	}
	delete(s.got, "warm_us") // a server that has just begun
	s.header = headers[readers]
	return nil
}

func (s *stage) leave() {
	if s.poster != nil {
		s.poster.close()
	}
	if s.audience != nil {
		s.audience.leave()
	}
}

// play has the stages take turns at each pace.
func (b *bench) play(ctx context.Context, stages []*stage) error {
	for _, pace := range paces {
		spent := map[*stage]time.Duration{}
		count := max(1, b.Fanouts/turns)
		for turn := range 1 + turns { // none has two in a row, for which its data would be at hand
			for _, s := range stages {
				took, err := s.server.spent(func() error { return s.publish(ctx, count, pace.batch) })
				if err != nil {
					return fmt.Errorf("%s: %w", s.row, err)
				}
				if turn > 0 { // the first shows how a heap grows
					spent[s] += took
				}
			}
		}
		for s, took := range spent {
			s.got["cpu_us-"+pace.key] = took.Seconds() * 1e6 / float64(turns*count*pace.batch*b.Readers)
		}
	}
	return nil
}

// publish publishes so many times, each after all readers had what came before.
func (s *stage) publish(ctx context.Context, times, batch int) (err error) {
	if s.poster == nil { // not before: a server does not wait for a request for long
		if s.poster, err = dial(s.server.address, 4<<10); err != nil {
			return err
		}
	}
	for range times {
		var lines []byte
		for range batch {
			lines = fmt.Appendf(lines, "{\"data\":\"%s%s\"}\n", mark, bare(nil, 0, int(s.sent))[len(mark):])
			s.sent++
		}
		_ = s.poster.conn.SetDeadline(time.Now().Add(waitTime))
		request := fmt.Appendf(nil, "POST /channels/fan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n%sContent-Length: %d\r\n\r\n%s", s.header, len(lines), lines)
		if _, err := s.poster.conn.Write(request); err != nil {
			return err
		}
		if _, err := s.poster.answer(); err != nil {
			return err
		}
		if err := s.audience.await(ctx, s.sent*int64(len(s.audience.sockets))); err != nil {
			return err
		}
	}
	return nil
}
