package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pabal/pabal/internal/proxy"
)

// A fault is what happens in a run.
type fault struct {
	key, title, about string
	seconds           float64 // that it lasts
	size              int     // of a message, if not as always
	history           int     // kept of a channel, if not as always
	early             proxy.Faults
	happen            func(ctx context.Context, s *scene) error
}

const (
	plenty      = 10_000 // messages kept of a channel
	few         = 40     // where readers are away for longer than that
	messageSize = 150    // bytes
)

// faults are all of them, in the order of the tables. Their times are those of
// a full run.
var faults = []*fault{
	{
		key: "none", title: "No fault", seconds: 3,
		about:  "Nothing happens: what each technique does by itself.",
		happen: func(ctx context.Context, s *scene) error { return s.wait(ctx, 3) },
	},
	{
		key: "cuts", title: "Cut at random", seconds: 8,
		about: "Each connection is reset after a random time, 1 s in the mean and 3 s at most; half of them in the middle of what is sent. " +
			"At the beginning and at the end all are cut at once.",
		happen: through(func(s *scene) proxy.Faults { return proxy.Faults{Life: s.time(1), MaxLife: s.time(3)} }),
	},
	{
		key: "age", title: "Cut every 5 s", seconds: 12,
		about:  "Each connection is reset when it is 5 s old, as by a proxy that ends all after 30 s, but more often. At the beginning and at the end all are cut at once.",
		happen: through(func(s *scene) proxy.Faults { return proxy.Faults{MaxLife: s.time(5)} }),
	},
	{
		key: "half-open", title: "Half-open", seconds: 9,
		about: "Each connection falls silent when it is 3 s old: nothing passes any more, in no direction, and neither end is told for a minute. " +
			"The last fall silent 3 s after the first that would not. Only who has a watchdog notices within the run: here after 5 s without a byte.",
		happen: halfOpen,
	},
	{
		key: "delay", title: "Delay and jitter", seconds: 6,
		about: "All that passes takes 150 ms, and up to 150 ms more, in each direction. At the beginning and at the end all connections are cut at once.",
		happen: through(func(*scene) proxy.Faults {
			return proxy.Faults{Delay: 150 * time.Millisecond, Jitter: 150 * time.Millisecond}
		}),
	},
	{
		key: "narrow", title: "A narrow bandwidth", seconds: 8, size: 8000,
		about: "Messages have 8,000 bytes, and to each connection pass 64,000 bytes a second, which is half of what is published to it. " +
			"At the beginning and at the end all connections are cut at once.",
		happen: through(func(*scene) proxy.Faults { return proxy.Faults{Bandwidth: 64_000} }),
	},
	{
		key: "buffer", title: "A proxy that buffers", seconds: 8,
		about: "Of a response nothing passes before 8 KiB of it are together, or it ends; what follows a WebSocket's handshake passes at once. " +
			"At the beginning and at the end all connections are cut at once.",
		happen: through(func(*scene) proxy.Faults { return proxy.Faults{Buffer: 8192} }),
	},
	{
		key: "strip", title: "Upgrade stripped", seconds: 4, early: proxy.Faults{StripUpgrade: true},
		about: "From before the readers come, the proxy takes Upgrade out of requests, so that there is no WebSocket, until all is cut once. " +
			"Readers that are not there by then expect nothing.",
		happen: through(func(*scene) proxy.Faults { return proxy.Faults{StripUpgrade: true} }),
	},
	{
		key: "kill", title: "The server killed", seconds: 8,
		about:  "`kill -9`, twice; 0.3 s later the server is started anew, on the storage that it has.",
		happen: restarts((*server).killed),
	},
	{
		key: "restart", title: "The server restarted in good order", seconds: 8,
		about:  "SIGTERM, twice; 0.3 s after it has ended the server is started anew.",
		happen: restarts((*server).stop),
	},
	{
		key: "away", title: "Away for a while", seconds: 6,
		about:  "All connections are cut, and for 6 s all new ones reset.",
		happen: through(func(*scene) proxy.Faults { return proxy.Faults{Refuse: true} }),
	},
	{
		key: "long", title: "Away for longer than is kept", seconds: 6, history: few,
		about: fmt.Sprintf("The same, but the server keeps no more than %d messages of a channel, which is 2.4 s of them (Socket.IO, which knows no number: that time; Pabal has as many in memory, by `--window-entries`). "+
			"So something must be lost; what counts is whether readers are told.", few),
		happen: through(func(*scene) proxy.Faults { return proxy.Faults{Refuse: true} }),
	},
}

// through puts f between readers and server, for as long as the fault lasts.
// As the proxy gives faults to new connections, all are cut when it begins, and
// when it ends.
func through(f func(*scene) proxy.Faults) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		s.proxy.Set(f(s))
		s.proxy.CutAll()
		err := s.wait(ctx, s.fault.seconds)
		s.proxy.Set(proxy.Faults{})
		s.proxy.CutAll()
		return err
	}
}

// halfOpen does not cut at the end: who does not notice stays where it is.
func halfOpen(ctx context.Context, s *scene) error {
	const age = 3
	s.proxy.Set(proxy.Faults{MaxLife: s.time(age), HalfOpen: 1, HalfOpenFor: time.Minute})
	s.proxy.CutAll()
	err := s.wait(ctx, s.fault.seconds)
	s.proxy.Set(proxy.Faults{})
	if err == nil {
		err = s.wait(ctx, age)
	}
	return err
}

// restarts ends the server twice, and starts it anew.
func restarts(end func(*server) error) func(context.Context, *scene) error {
	return func(ctx context.Context, s *scene) error {
		for range 2 {
			if err := s.wait(ctx, s.fault.seconds/2); err != nil {
				return err
			}
			if err := end(s.server); err != nil {
				return err
			}
			if err := s.wait(ctx, 0.3); err != nil {
				return err
			}
			if err := s.server.start(ctx, s.workshop); err != nil {
				return err
			}
			s.proxy.Target(s.server.at())
		}
		return nil
	}
}
