package disk

import (
	"context"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
)

// Channels returns, in byte order, at most limit names of channels that hold
// entries or are closed, beginning with prefix and after the name after.
// Pabal's own are among them.
func (b *Broker) Channels(ctx context.Context, prefix string, after pabal.Channel, limit int) (found []pabal.Channel, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.hot.held.Done()
	now := clock().UnixNano()
	_, to := bounds(channelRow)
	from := channelKey(nil, max(pabal.Channel(prefix), after))
	err = within(b.db, from, to, func(rows *pebble.Iterator) error {
		for ok := rows.First(); ok && len(found) < limit && ctx.Err() == nil; ok = rows.Next() {
			ch := pabal.Channel(rows.Key()[1:])
			if !strings.HasPrefix(string(ch), prefix) {
				break
			}
			value, err := rows.ValueAndErr()
			if err != nil {
				return err
			}
			s, _, err := parseState(value)
			if err != nil {
				return fmt.Errorf("the row of channel %.80q: %w", ch, err)
			}
			if ch > after && b.holds(ch, &s, now) {
				found = append(found, ch)
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, broken(err, "the channels cannot be listed")
	}
	return found, nil
}

// holds reports whether ch, which is in state s, holds a log.
func (b *Broker) holds(ch pabal.Channel, s *state, now int64) bool {
	if s.closed || s.keys.kept && s.keys.n > 0 {
		return true
	}
	keep := b.config.Rules(ch).WithDefaults()
	return s.count() > 0 && (keep.Age < 0 || s.time > now-int64(keep.Age))
}
