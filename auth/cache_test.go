package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

func sumOf(n int) [sha256.Size]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// The cache is bounded in tokens and in bytes, and keeps what is asked for.
func TestCacheIsBounded(t *testing.T) {
	for _, claims := range []int{10, 8 << 10} {
		var c cache
		var set keyset
		g := pabal.Grant{User: "often", Claims: make([]byte, claims)}
		c.put(sumOf(-1), &set, g)
		for i := range 3 * cachedTokens {
			c.put(sumOf(i), &set, pabal.Grant{Claims: g.Claims})
			if got, ok := c.get(sumOf(-1), &set, time.Now()); !ok || got.User != "often" {
				t.Fatalf("after %d others, what is asked for is forgotten", i)
			}
			tokens := len(c.new) + len(c.old)
			if tokens > cachedTokens || tokens*cost(g) > cachedBytes+2*cost(g) {
				t.Fatalf("it holds %d tokens of %d bytes of claims", tokens, claims)
			}
		}
		if _, ok := c.get(sumOf(0), &set, time.Now()); ok {
			t.Error("what nobody asked for is not forgotten")
		}
	}
}

// What other keys have checked is not known, nor what has expired.
func TestCacheForgets(t *testing.T) {
	var c cache
	var before, after keyset
	before.keys = []key{{id: "a"}}
	now := time.Now()
	c.put(sumOf(1), &before, pabal.Grant{Expires: now.Add(time.Minute)})
	for _, at := range []struct {
		set  *keyset
		now  time.Time
		want bool
	}{{&before, now, true}, {&before, now.Add(time.Minute), false}, {&before, now, false}} {
		if _, ok := c.get(sumOf(1), at.set, at.now); ok != at.want {
			t.Errorf("at %v: known is %v", at.now.Sub(now), ok)
		}
	}
	c.put(sumOf(2), &before, pabal.Grant{})
	if _, ok := c.get(sumOf(2), &after, now); ok {
		t.Error("after the keys have changed it is known")
	}
}
