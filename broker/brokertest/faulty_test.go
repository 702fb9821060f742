package brokertest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/brokertest"
	"github.com/pabal/pabal/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told returns what a tail with faults tells of n entries.
func told(t *testing.T, faults brokertest.Faults, n int, step func(i int, b *brokertest.FaultyBroker)) (got []string) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New(memory.Config{})
		t.Cleanup(func() { _ = inner.Close() })
		b := brokertest.Faulty(inner, faults)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if _, err := b.Tail(ctx, "a", func(e *pabal.Entry) { got = append(got, string(e.Data)) }); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if step != nil {
				step(i, b)
			}
			if _, err := b.Append(ctx, "a", pabal.Publish{Messages: []pabal.Message{{Data: fmt.Append(nil, i)}}}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if told, _ := b.Told(); int(told) != len(got) {
			t.Errorf("told %d, want %d", told, len(got))
		}
	})
	return got
}

func all(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

func TestFaults(t *testing.T) {
	const n = 200
	if got := told(t, brokertest.Faults{}, n, nil); !slices.Equal(got, all(n)) {
		t.Errorf("without faults: got %v", got)
	}
	if got := told(t, brokertest.Faults{Delay: 1}, n, nil); !slices.Equal(got, all(n)) {
		t.Errorf("delayed: got %v, want all in order", got)
	}
	if got := told(t, brokertest.Faults{Drop: 1}, n, nil); len(got) != 0 {
		t.Errorf("dropped: got %v", got)
	}
	if got := told(t, brokertest.Faults{Repeat: 1}, n, nil); len(got) != 2*n || got[0] != "0" || got[1] != "0" {
		t.Errorf("repeated: got %v", got)
	}
	swapped := told(t, brokertest.Faults{Swap: 0.3}, n, nil)
	sorted := slices.Compact(slices.Sorted(slices.Values(swapped)))
	if slices.Equal(swapped, all(n)) || len(sorted) != len(swapped) || len(swapped) < n-9 {
		t.Errorf("swapped: got %v, want nearly all, and not in order", swapped)
	}
	mixed := brokertest.Faults{Seed: 7, Drop: 0.2, Repeat: 0.2, Delay: 0.2, Swap: 0.2}
	first := told(t, mixed, n, nil)
	if again := told(t, mixed, n, nil); !slices.Equal(first, again) {
		t.Errorf("the same seed: got %v and %v", first, again)
	}
	mixed.Seed++
	if other := told(t, mixed, n, nil); slices.Equal(first, other) {
		t.Errorf("another seed: got the same, %v", other)
	}
}

func TestMute(t *testing.T) {
	got := told(t, brokertest.Faults{}, 10, func(i int, b *brokertest.FaultyBroker) {
		synctest.Wait()
		b.Mute(i >= 3 && i < 6 || i == 9)
	})
	if want := []string{"0", "1", "2", "6", "7", "8"}; !slices.Equal(got, want) {
		t.Errorf("with silences: got %v, want %v", got, want)
	}
}
