package disk

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/pabal/pabal"
)

// asOf returns what is known in life now of lives that each begin above the
// one before.
func asOf(now int, lives []*life) *history {
	first := max(0, now+1-lifetimes)
	return &history{first, lives[first : now+1]}
}

// A channel that sleeps through many lives of its store is in the state in
// which it would be had it been woken in each of them, as far as lives are
// known.
func TestReviveAfterManyLives(t *testing.T) {
	lives := make([]*life, 300)
	for i := range lives {
		lives[i] = &life{epoch: pabal.Epoch(i + 1), base: pabal.Offset(i * 10)}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		was, sleeps := random.IntN(100), random.IntN(200)
		begin := pristine(0, pabal.Offset(was*10+random.IntN(30)), false)
		begin.past = survivors{max(0, was-2), []pabal.Offset{3, 8}[:min(was, 2)]}
		woken, slept := begin, begin
		for life := was; life < was+sleeps; life++ {
			woken.revive(life, asOf(life+1, lives))
		}
		h := asOf(was+sleeps, lives)
		slept.revive(was, h)
		for life := h.first; life < was+sleeps; life++ {
			got, want := h.survivor("a", &slept, life), h.survivor("a", &woken, life)
			if got != want {
				t.Errorf("asleep from life %d for %d: %d survived of life %d, want %d", was, sleeps, got, life, want)
			}
		}
		if slept.end != woken.end || slept.fresh != woken.fresh || len(slept.past.at) > lifetimes {
			t.Errorf("asleep from life %d for %d: got %+v, want %+v", was, sleeps, slept, woken)
		}
		if was+sleeps < lifetimes && !reflect.DeepEqual(slept, woken) {
			t.Errorf("asleep from life %d for %d: got %+v, want %+v", was, sleeps, slept, woken)
		}
	}
}
