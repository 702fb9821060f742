package memory

import (
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/ring"
)

// latest knows the last entry of each key, and keeps those that retention has
// cut off from the rest of the log.
type latest struct {
	byKey map[string]*pabal.Entry // without the empty key; nil until there is one
	plain *pabal.Entry            // the empty key's

	apart ring.Ring[slot] // last entries of their key from before the log's first; with holes, but none in front
	holes int             // in apart
	floor pabal.Offset    // of readers at or after it, no key's last entry was dropped
}

// A slot keeps its place in the order when its entry is taken out.
type slot struct {
	entry  *pabal.Entry // nil is a hole
	offset pabal.Offset
	time   int64
}

func (t *latest) of(key string) *pabal.Entry {
	if key == "" {
		return t.plain
	}
	return t.byKey[key]
}

// is reports whether e is the last of its key.
func (t *latest) is(e *pabal.Entry) bool { return t.of(e.Key) == e }

func (t *latest) keys() int {
	if t.plain != nil {
		return len(t.byKey) + 1
	}
	return len(t.byKey)
}

// add makes e the last of its key. It returns the entry that was kept apart
// for that until now, if any.
func (t *latest) add(e *pabal.Entry) (freed *pabal.Entry) {
	old := t.of(e.Key)
	if e.Key == "" {
		t.plain = e
	} else {
		if t.byKey == nil {
			t.byKey = map[string]*pabal.Entry{}
		}
		t.byKey[e.Key] = e
	}
	if old != nil && t.take(old.Offset) {
		return old
	}
	return nil
}

// forget removes e, which is the last of its key.
func (t *latest) forget(e *pabal.Entry) {
	if e.Key == "" {
		t.plain = nil
		return
	}
	if delete(t.byKey, e.Key); len(t.byKey) == 0 {
		t.byKey = nil
	}
}

// keepApart keeps e, which is the last of its key and follows all that are
// kept so.
func (t *latest) keepApart(e *pabal.Entry) {
	t.apart.Push(slot{e, e.Offset, e.Time.UnixNano()})
}

// drop forgets the key least recently written of those kept apart.
func (t *latest) drop() (freed *pabal.Entry) {
	freed = t.apart.Pop().entry
	t.floor = freed.Offset
	t.forget(freed)
	t.tidy()
	return freed
}

// take makes a hole where the entry at offset was kept apart.
func (t *latest) take(offset pabal.Offset) bool {
	i := t.after(offset - 1)
	if i == t.apart.Len() || t.apart.At(i).offset != offset {
		return false
	}
	t.apart.At(i).entry = nil
	t.holes++
	t.tidy()
	return true
}

// tidy removes the holes in front, or all of them once they are the most.
func (t *latest) tidy() {
	for t.apart.Len() > 0 && t.apart.At(0).entry == nil {
		t.apart.Pop()
		t.holes--
	}
	if t.holes <= 16 || t.holes <= t.apart.Len()/2 {
		return
	}
	var whole ring.Ring[slot]
	for i := range t.apart.Len() {
		if s := t.apart.At(i); s.entry != nil {
			whole.Push(*s)
		}
	}
	t.apart, t.holes = whole, 0
}

// after returns the place of the first slot after offset.
func (t *latest) after(offset pabal.Offset) int {
	return t.apart.Search(func(s *slot) bool { return s.offset > offset })
}

// since returns the place of the first slot that is not older than start.
func (t *latest) since(start time.Time) int {
	return t.apart.Search(func(s *slot) bool { return !time.Unix(0, s.time).Before(start) })
}

// last returns the n-th last entry that is kept apart, or the first one.
func (t *latest) last(n int) *pabal.Entry {
	var found *pabal.Entry
	for i := t.apart.Len() - 1; i >= 0 && n > 0; i-- {
		if e := t.apart.At(i).entry; e != nil {
			found = e
			n--
		}
	}
	return found
}
