package memory_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/brokertest"
	"github.com/pabal/pabal/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t brokertest.TB, o brokertest.Options) pabal.Broker {
	return cleaned(t, memory.New(memory.Config{
		Retention: o.Retention,
		Channels:  o.Channels,
	}))
}

func reopen(t brokertest.TB, b pabal.Broker, lose func(pabal.Channel) int) pabal.Broker {
	return cleaned(t, b.(*memory.Broker).Reopen(lose))
}

func cleaned(t brokertest.TB, b *memory.Broker) pabal.Broker {
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func TestBroker(t *testing.T) {
	brokertest.Run(t, brokertest.Subject{Open: open, Reopen: reopen})
}

// A broker with faulty tails is a broker still.
func TestFaulty(t *testing.T) {
	brokertest.Run(t, brokertest.Subject{
		Open: func(t brokertest.TB, o brokertest.Options) pabal.Broker {
			return brokertest.Faulty(open(t, o), brokertest.Faults{
				Seed: 1, Drop: 0.3, Repeat: 0.3, Delay: 0.3, Swap: 0.3, Most: 30 * time.Millisecond,
			})
		},
	})
}
