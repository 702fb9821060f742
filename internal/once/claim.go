package once

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/pabal/pabal"
)

// A Claim is the names that a publish uses.
type Claim struct {
	Whole bool // it is the batch that was found

	keep  *pabal.Retention
	batch *claimed
	each  []claimed // for each message; without an ID, no name
}

type claimed struct {
	Name
	digest pabal.Digest
}

// ClaimOf returns the names that p, to channel ch of which keep is kept, uses;
// nil if there are none.
func ClaimOf(ch pabal.Channel, p *pabal.Publish, keep *pabal.Retention) *Claim {
	named := func(m pabal.Message) bool { return m.ID != "" }
	if p.BatchID == "" && !slices.ContainsFunc(p.Messages, named) {
		return nil
	}
	c := &Claim{keep: keep, each: make([]claimed, len(p.Messages))}
	for i := range p.Messages {
		if m := &p.Messages[i]; m.ID != "" || p.BatchID != "" {
			c.each[i] = claimed{Name{Channel: ch, ID: m.ID}, m.Digest()}
		}
	}
	if p.BatchID != "" {
		c.batch = &claimed{Name{Channel: ch, ID: p.BatchID, Batch: true}, c.digest(p.Close)}
	}
	return c
}

// digest returns the digest of a whole batch.
func (c *Claim) digest(closes bool) pabal.Digest {
	var text []byte
	for i := range c.each {
		text = binary.AppendUvarint(text, uint64(len(c.each[i].ID)))
		text = append(text, c.each[i].ID...)
		text = append(text, c.each[i].digest[:]...)
	}
	if closes {
		text = append(text, 'c')
	}
	sum := sha256.Sum256(text)
	return pabal.Digest(sum[:16])
}
