package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/disk"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/server/config"
	"github.com/pabal/pabal/transport"
	"github.com/pabal/pabal/web"
)

// New wires a node as cfg says, which [config.Load] has checked.
func New(cfg config.Config, log *slog.Logger) (*Server, error) {
	log = redacted(log)
	broker, health, err := openBroker(cfg, log)
	if err != nil {
		return nil, err
	}
	hub := pabal.NewHub(broker, limits(cfg))
	beside, err := newServices(cfg, hub, log)
	if err != nil {
		hub.Close()
		return nil, errors.Join(err, broker.Close())
	}
	reads := newTransport(cfg, hub, log)
	reads.Services = beside.forTransport(cfg)
	s, err := newServer(cfg, log, parts{
		hub:      hub,
		read:     reads,
		commands: http.HandlerFunc(reads.ServeCommands),
		drain:    reads.Drain,
		api:      &api.Handler{Hub: hub, Access: beside.access, Presence: beside, Log: log, BodyBytes: int64(cfg.Messages.BodyBytes)},
		pages:    web.Handler(),
		own: func(ctx context.Context, ch pabal.Channel, p pabal.Publish) error {
			_, err := broker.Append(ctx, ch, p)
			return err
		},
		end:    beside.close,
		close:  broker.Close,
		health: health,
	})
	if err != nil {
		beside.close(context.Background())
		hub.Close()
		return nil, errors.Join(err, broker.Close())
	}
	return s, nil
}

// broker keeps the logs, until it is closed.
type broker interface {
	pabal.Broker
	io.Closer
}

// openBroker opens the broker that cfg names. If it can fail while it is open,
// health says of what.
func openBroker(cfg config.Config, log *slog.Logger) (b broker, health func() error, err error) {
	rules, err := newRules(cfg)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Storage.Broker == "memory" {
		return memory.New(memory.Config{
			Retention: func(ch pabal.Channel) pabal.Retention { return rules.of(ch).Retention },
			Channels:  cfg.Readers.Channels,
			Bytes:     int(cfg.Storage.MemoryBytes),
		}), nil, nil
	}
	d, err := disk.Open(diskConfig(cfg, rules, log))
	if err != nil {
		return nil, nil, err
	}
	return d, d.Health, nil
}

func newTransport(cfg config.Config, hub *pabal.Hub, log *slog.Logger) *transport.Handler {
	return &transport.Handler{
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
		AllowOrigins: origins(cfg),
	}
}

// origins returns those whose pages may read and publish.
func origins(cfg config.Config) (all []string) {
	for _, origin := range cfg.Access.AllowOrigin {
		all = append(all, string(origin))
	}
	return all
}

// orNone returns n, or for 0 what brokers take for no limit.
func orNone[N ~int | ~int64](n N) N {
	if n == 0 {
		return -1
	}
	return n
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
