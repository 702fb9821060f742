package transport

import (
	"bytes"

	"github.com/pabal/pabal"
)

// A burst is what one step of a session yields, written down.
type burst struct {
	batch pabal.Batch
	bytes []byte
	upTo  []int // where each item of the batch ends in bytes
	ends  bool  // after it the connection ends
}

// A burst has at most about so many bytes, and so many items.
const (
	burstBytes = 64 << 10
	burstItems = 512
)

// fill steps s, and writes down what it yields, but what meet, if there is one,
// says to leave out.
func (b *burst) fill(s *pabal.Session, f framing, meet func(*pabal.Item) (left bool)) pabal.State {
	b.bytes, b.upTo, b.ends = b.bytes[:0], b.upTo[:0], false
	b.batch.Most = burstBytes
	state := s.Step(&b.batch, burstItems)
	for i := range b.batch.Items {
		if meet != nil && meet(&b.batch.Items[i]) {
			b.upTo = append(b.upTo, len(b.bytes))
			continue
		}
		b.bytes, b.ends = f.item(b.bytes, &b.batch.Items[i])
		b.upTo = append(b.upTo, len(b.bytes))
		if b.ends {
			b.batch.Items = b.batch.Items[:i+1]
			break
		}
	}
	return state
}

// split returns how many items are dealt with when n bytes, but not all, were
// taken, and what is left of the last of them: something is. It is in bytes
// that are shared or private, but not the burst's.
func (b *burst) split(n int, f framing) (taken int, rest []byte) {
	begin := 0
	for i, end := range b.upTo {
		if end > n {
			if e := b.batch.Items[i].Entry; e != nil {
				if whole := f.shared(e); whole != nil {
					return i + 1, whole[n-begin:]
				}
			}
			return i + 1, bytes.Clone(b.bytes[n:end])
		}
		begin = end
	}
	return len(b.upTo), nil
}

func (l *loop) takeBurst() *burst {
	if n := len(l.spare); n > 0 {
		b := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return b
	}
	return new(burst)
}

func (l *loop) giveBurst(b *burst) {
	clear(b.batch.Items) // they pin entries
	b.batch.Items = b.batch.Items[:0]
	if cap(b.bytes) > 2*burstBytes {
		b.bytes = nil
	}
	if len(l.spare) < maxSpare {
		l.spare = append(l.spare, b)
	}
}

// maxSpare is how many bursts a loop keeps for the next pass.
const maxSpare = 4
