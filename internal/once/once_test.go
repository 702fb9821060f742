package once

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// A publisher gives each message the next offset of one log.
type publisher struct {
	t    *testing.T
	set  *Set
	end  pabal.Offset
	keep pabal.Retention
	kept []Known
}

func in(t *testing.T, s *Set, namespace string) *publisher {
	return &publisher{t: t, set: s, keep: pabal.Retention{Namespace: namespace, IDs: 4, IDWindow: time.Minute}}
}

// batch makes a publish of messages as "id:data", of which id may be empty.
func batch(id string, messages ...string) pabal.Publish {
	p := pabal.Publish{BatchID: id}
	for _, m := range messages {
		id, data, _ := strings.Cut(m, ":")
		p.Messages = append(p.Messages, pabal.Message{ID: id, Data: []byte(data)})
	}
	return p
}

// publish does what a broker does, after that much time.
func (p *publisher) publish(after time.Duration, b pabal.Publish) (pabal.Appended, error) {
	c := ClaimOf("a", &b, &p.keep)
	known, err := p.set.Find(c, start.Add(after))
	if err != nil {
		return pabal.Appended{}, err
	}
	if known != nil {
		return *known, nil
	}
	done := pabal.Appended{}
	for range b.Messages {
		p.end++
		done.Positions = append(done.Positions, pabal.Position{Epoch: 1, Offset: p.end})
	}
	done.End = pabal.Position{Epoch: 1, Offset: p.end}
	p.set.Add(c, &done, start.Add(after), func(k Known) { p.kept = append(p.kept, k) })
	return done, nil
}

// want publishes b, which must be a duplicate or not, and at offsets.
func (p *publisher) want(after time.Duration, b pabal.Publish, duplicate bool, offsets ...pabal.Offset) {
	p.t.Helper()
	done, err := p.publish(after, b)
	var got []pabal.Offset
	for _, at := range done.Positions {
		got = append(got, at.Offset)
	}
	if err != nil || done.Duplicate != duplicate || !slices.Equal(got, offsets) {
		p.t.Fatalf("got %+v, error %v; want a duplicate: %v, at %v", done, err, duplicate, offsets)
	}
}

func (p *publisher) refused(b pabal.Publish, want error) {
	p.t.Helper()
	if done, err := p.publish(0, b); !errors.Is(err, want) {
		p.t.Fatalf("got %+v, error %v; want the error %v", done, err, want)
	}
}

func TestFind(t *testing.T) {
	p := in(t, new(Set), "")
	p.keep.IDs = 100
	p.want(0, batch("", "x:1"), false, 1)
	p.want(0, batch("", "x:1"), true, 1)
	p.want(0, batch("", ":1"), false, 2)
	p.want(0, batch("", ":1"), false, 3) // it has no ID to know it by
	p.want(0, batch("", "y:1", "z:1"), false, 4, 5)
	p.want(0, batch("", "x:1", "z:1"), true, 1, 5)
	p.refused(batch("", "x:2"), pabal.ErrConflict)
	p.refused(batch("", "n:1", "x:2"), pabal.ErrConflict)
	p.refused(batch("", "n:1", "n:2"), pabal.ErrConflict)
	p.refused(batch("", "n:1", "n:1"), pabal.ErrPartial)
	p.refused(batch("", "n:1", "x:1"), pabal.ErrPartial)
	p.refused(batch("", "z:1", "x:1"), pabal.ErrPartial) // not their order in the log
	p.want(0, batch("b", ":1", ":2"), false, 6, 7)
	p.want(0, batch("b", ":1", ":2"), true, 6, 7)
	p.refused(batch("b", ":1"), pabal.ErrConflict)
	closing := batch("b", ":1", ":2")
	closing.Close = true
	p.refused(closing, pabal.ErrConflict)
	p.want(0, batch("x", "x:1"), true, 1) // a batch is not called as a message is
}

// What is over the window, in time or in number, is forgotten, in its
// namespace alone.
func TestWindow(t *testing.T) {
	s := new(Set)
	p, other := in(t, s, "one"), in(t, s, "two")
	other.want(0, batch("", "a:1"), false, 1)
	p.want(0, batch("", "a:1", "b:1", "c:1", "d:1"), false, 1, 2, 3, 4)
	p.want(time.Second, batch("", "e:1"), false, 5)
	p.want(time.Second, batch("", "a:1"), false, 6)
	p.want(time.Minute, batch("", "e:1"), true, 5)
	other.want(time.Minute-1, batch("", "a:1"), true, 1)
	other.want(time.Minute, batch("", "a:1"), false, 2)
	p.want(time.Minute+time.Second, batch("", "e:1"), false, 7)
	if s.Len() != 2 {
		t.Errorf("%d are known, want the last of each namespace", s.Len())
	}
}

// all returns what s knows of each namespace.
func all(s *Set) map[string][]Known {
	known := map[string][]Known{}
	s.All(func(namespace string, k Known) { known[namespace] = append(known[namespace], k) })
	return known
}

// numbers returns those of k.
func numbers(k []Known) (n []uint64) {
	for _, k := range k {
		n = append(n, k.Number)
	}
	return n
}

// What is written down as it is added, and removed as it is swept, is what is
// known when it is put back.
func TestNumbers(t *testing.T) {
	s := new(Set)
	p, other := in(t, s, "one"), in(t, s, "two")
	p.want(0, batch("whole", "a:1", "b:1"), false, 1, 2)
	other.want(0, batch("", "a:1"), false, 1)
	p.want(time.Second, batch("", "c:1", ":1", "d:1"), false, 3, 4, 5)
	if got, want := numbers(p.kept), []uint64{0, 1, 2, 3, 4}; !slices.Equal(got, want) {
		t.Fatalf("they were numbered %v, want %v", got, want)
	}
	if got, want := all(s), map[string][]Known{"one": p.kept[1:], "two": other.kept}; !reflect.DeepEqual(got, want) {
		t.Fatalf("known are\n%+v, want the last 4 of each\n%+v", got, want)
	}
	first := map[string]uint64{}
	s.Sweep(start.Add(time.Minute), func(namespace string, n uint64) { first[namespace] = n })
	if want := map[string]uint64{"one": 3, "two": 1}; !reflect.DeepEqual(first, want) {
		t.Fatalf("the lowest numbers are %v, want %v", first, want)
	}

	again := new(Set)
	for _, k := range p.kept[3:] {
		again.Restore(k, &p.keep)
	}
	if got, want := all(again), all(s); !reflect.DeepEqual(got, want) {
		t.Fatalf("put back: known are\n%+v, want\n%+v", got, want)
	}
	p.set = again
	p.want(time.Minute, batch("", "d:1"), true, 5)
	p.want(time.Minute, batch("", "e:1"), false, 6)
	if got, want := numbers(all(again)["one"]), []uint64{3, 4, 5}; !slices.Equal(got, want) {
		t.Fatalf("after another they are numbered %v, want %v", got, want)
	}
	again.Sweep(start.Add(time.Hour), nil)
	if again.Len() != 0 {
		t.Errorf("%d are known after the window of all has passed", again.Len())
	}
	p.want(time.Hour, batch("", "d:1"), false, 7)
	if got, want := numbers(p.kept), []uint64{0, 1, 2, 3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("in the end they were numbered %v, want %v", got, want)
	}
}
