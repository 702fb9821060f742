package disk

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/brokertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opener opens brokers in a file system in memory.
func opener(sync Sync) func(t brokertest.TB, o brokertest.Options) pabal.Broker {
	return func(t brokertest.TB, o brokertest.Options) pabal.Broker {
		return opened(t, vfs.NewMem(), Config{
			Dir: "data", Channels: o.Channels, Cache: 1 << 20,
			Rules: func(ch pabal.Channel) Rules { return Rules{o.Retention(ch), sync} },
		})
	}
}

func opened(t brokertest.TB, fs vfs.FS, c Config) *Broker {
	t.Helper()
	b, err := open(c, fs)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// What is always synced loses nothing, so there is no crash that brokertest
// could ask for; crash_test.go has those that it survives.
func TestAlways(t *testing.T) { brokertest.Run(t, brokertest.Subject{Open: opener(SyncAlways)}) }

func TestNever(t *testing.T) {
	brokertest.Run(t, brokertest.Subject{Open: opener(SyncNever), Reopen: reopenLosing})
}
