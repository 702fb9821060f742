// Package ring has a queue that can be searched.
package ring

import "sort"

// A Ring is a queue that can be searched. It grows and shrinks with what it
// holds. Its zero value is empty.
type Ring[T any] struct {
	slots []T // a power of two of them
	head  int
	n     int
}

// Len returns how many there are.
func (r *Ring[T]) Len() int { return r.n }

// At returns the i-th from the front.
func (r *Ring[T]) At(i int) *T { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

// Push adds v at the back.
func (r *Ring[T]) Push(v T) {
	if r.n == len(r.slots) {
		r.resize(max(4, 2*r.n))
	}
	r.n++
	*r.At(r.n - 1) = v
}

// Pop removes what is in front, which there must be.
func (r *Ring[T]) Pop() T {
	front := r.At(0)
	v := *front
	clear(r.slots[r.head : r.head+1])
	r.head = (r.head + 1) & (len(r.slots) - 1)
	if r.n--; r.n == 0 {
		*r = Ring[T]{}
	} else if len(r.slots) > 16 && r.n < len(r.slots)/4 {
		r.resize(len(r.slots) / 2)
	}
	return v
}

func (r *Ring[T]) resize(size int) {
	slots := make([]T, size)
	for i := range r.n {
		slots[i] = *r.At(i)
	}
	r.slots, r.head = slots, 0
}

// Search returns the first i for which is holds, or len; it must hold for
// all that follow.
func (r *Ring[T]) Search(is func(*T) bool) int {
	return sort.Search(r.n, func(i int) bool { return is(r.At(i)) })
}
