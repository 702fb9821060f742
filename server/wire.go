package server

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/server/config"
	"github.com/pabal/pabal/transport"
	"github.com/pabal/pabal/web"
)

// New wires a node as cfg says, which [config.Load] has checked.
func New(cfg config.Config, log *slog.Logger) (*Server, error) {
	broker := memory.New(memory.Config{
		Retention: func(pabal.Channel) pabal.Retention { return retention(cfg.Keep) },
		Channels:  cfg.Readers.Channels,
		Bytes:     int(cfg.Keep.MemoryBytes),
	})
	hub := pabal.NewHub(broker, limits(cfg))
	reads := newTransport(cfg, hub, log)
	s, err := newServer(cfg, log, parts{
		hub:   hub,
		read:  reads,
		drain: reads.Drain,
		api:   &api.Handler{Hub: hub, Log: log, BodyBytes: int64(cfg.Messages.BodyBytes)},
		pages: web.Handler(),
		own: func(ctx context.Context, ch pabal.Channel, p pabal.Publish) error {
			_, err := broker.Append(ctx, ch, p)
			return err
		},
		close: broker.Close,
	})
	if err != nil {
		hub.Close()
		return nil, errors.Join(err, broker.Close())
	}
	return s, nil
}

func newTransport(cfg config.Config, hub *pabal.Hub, log *slog.Logger) *transport.Handler {
	h := &transport.Handler{
		Hub: hub, Log: log,
		Heartbeat:    cfg.Delivery.Heartbeat,
		WriteTimeout: cfg.Delivery.WriteTimeout,
		RotateAfter:  noLimit(cfg.Delivery.RotateAfter),
		RotateBytes:  int64(noLimit(cfg.Delivery.RotateBytes)),
		SendBuffer:   int(cfg.Delivery.SendBuffer),
		BodyBytes:    int64(cfg.Messages.BodyBytes),
		Goroutines:   cfg.Delivery.Pump == "goroutine",
		LongPollMax:  cfg.Delivery.LongPollMax,
		ParkAfter:    noLimit(cfg.Delivery.ParkAfter),
	}
	for _, origin := range cfg.Access.AllowOrigin {
		h.AllowOrigins = append(h.AllowOrigins, string(origin))
	}
	return h
}

// retention returns what the memory broker keeps of a channel: there, what is
// negative has no limit.
func retention(k config.Keep) pabal.Retention {
	none := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	r := pabal.Retention{Entries: none(k.KeepEntries), Bytes: none(int(k.KeepBytes)), Age: k.KeepAge, Latest: k.Keep == "latest", Keys: k.KeepKeys, IDWindow: k.IDWindow, IDs: k.IDs}
	if r.Age == 0 {
		r.Age = -1
	}
	return r
}

// limits returns the limits of the engine: there, what is 0 has its default.
func limits(cfg config.Config) pabal.Limits {
	return pabal.Limits{
		MessageBytes:        int(cfg.Messages.MaxMessage),
		FieldBytes:          int(cfg.Messages.FieldBytes),
		BatchMessages:       cfg.Messages.BatchMessages,
		BatchBytes:          int(cfg.Messages.BatchBytes),
		ChannelBytes:        int(cfg.Messages.ChannelBytes),
		ChannelsPerResponse: cfg.Readers.ChannelsPerResponse,
		Channels:            cfg.Readers.Channels,
		WindowEntries:       cfg.Readers.WindowEntries,
		WindowBytes:         int(cfg.Readers.WindowBytes),
		Sessions:            cfg.Readers.Sessions,
		SessionsPerAddress:  noLimit(cfg.Readers.SessionsPerAddress),
		Reads:               cfg.Readers.Reads,
		TailCheck:           cfg.Readers.TailCheck,
		TailLinger:          cfg.Readers.TailLinger,
	}
}

// noLimit returns n, or for 0 a limit that is never reached.
func noLimit[N ~int | ~int64](n N) N {
	if n == 0 {
		return N(math.MaxInt / 2) // room to jitter
	}
	return n
}
