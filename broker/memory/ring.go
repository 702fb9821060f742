package memory

import "sort"

// A ring is a queue that can be searched. It grows and shrinks with what it
// holds. Its zero value is empty.
type ring[T any] struct {
	slots []T // a power of two of them
	head  int
	n     int
}

func (r *ring[T]) len() int { return r.n }

// at returns the i-th from the front.
func (r *ring[T]) at(i int) *T { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.slots) {
		r.resize(max(4, 2*r.n))
	}
	r.n++
	*r.at(r.n - 1) = v
}

func (r *ring[T]) pop() T {
	front := r.at(0)
	v := *front
	clear(r.slots[r.head : r.head+1])
	r.head = (r.head + 1) & (len(r.slots) - 1)
	if r.n--; r.n == 0 {
		*r = ring[T]{}
	} else if len(r.slots) > 16 && r.n < len(r.slots)/4 {
		r.resize(len(r.slots) / 2)
	}
	return v
}

func (r *ring[T]) resize(size int) {
	slots := make([]T, size)
	for i := range r.n {
		slots[i] = *r.at(i)
	}
	r.slots, r.head = slots, 0
}

// search returns the first i for which is holds, or len; it must hold for
// all that follow.
func (r *ring[T]) search(is func(*T) bool) int {
	return sort.Search(r.n, func(i int) bool { return is(r.at(i)) })
}
