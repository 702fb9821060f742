package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// What the cache holds at most.
const (
	cachedTokens = 10_000
	cachedBytes  = 32 << 20
)

// A cache holds the grants of tokens that were checked, by the hash of each, so
// that who polls does not cost a signature each time. What one was checked by
// is a set of keys: another set knows nothing of it. A token that is not asked
// for while as many others are as half the cache holds is forgotten.
type cache struct {
	mu       sync.Mutex
	new, old map[[sha256.Size]byte]checked
	bytes    int // of new
}

type checked struct {
	grant pabal.Grant
	by    *keyset
}

// get returns the grant of a token that was checked by set and is good at now.
func (c *cache) get(sum [sha256.Size]byte, set *keyset, now time.Time) (pabal.Grant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of, ok := c.new[sum]
	if !ok {
		if of, ok = c.old[sum]; ok {
			delete(c.old, sum)
			c.add(sum, of)
		}
	}
	if !ok {
		return pabal.Grant{}, false
	}
	if of.by != set || !of.grant.Expires.IsZero() && !now.Before(of.grant.Expires) {
		delete(c.new, sum)
		return pabal.Grant{}, false
	}
	return of.grant, true
}

// put notes that a token was checked by set.
func (c *cache) put(sum [sha256.Size]byte, set *keyset, g pabal.Grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(sum, checked{g, set})
}

func (c *cache) add(sum [sha256.Size]byte, of checked) {
	size := cost(of.grant)
	if c.new == nil || len(c.new) >= cachedTokens/2 || c.bytes+size > cachedBytes/2 {
		c.new, c.old, c.bytes = make(map[[sha256.Size]byte]checked), c.new, 0
	}
	c.new[sum] = of
	c.bytes += size
}

// cost returns about how many bytes g needs. Its rules are made of what its
// claims say.
func cost(g pabal.Grant) int { return 600 + 4*len(g.Claims) + len(g.Data) }
