package memory

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/pabal/pabal"
)

func BenchmarkAppend(b *testing.B) {
	for _, tails := range []int{0, 1} {
		b.Run(fmt.Sprint("tails=", tails), func(b *testing.B) {
			m := fresh(b, Config{}, pabal.Retention{})
			told := 0
			for range tails {
				if _, err := m.Tail(b.Context(), "a", func(*pabal.Entry) { told++ }); err != nil {
					b.Fatal(err)
				}
			}
			p := pabal.Publish{Messages: []pabal.Message{{Data: make([]byte, 128)}}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Append(b.Context(), "a", p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("channels", func(b *testing.B) {
		m := fresh(b, Config{}, pabal.Retention{})
		var next atomic.Int64
		p := pabal.Publish{Messages: []pabal.Message{{Data: make([]byte, 128)}}}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			ch := pabal.Channel(fmt.Sprint("c", next.Add(1)))
			for pb.Next() {
				if _, err := m.Append(b.Context(), ch, p); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("id", func(b *testing.B) {
		m := fresh(b, Config{}, pabal.Retention{})
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			p := pabal.Publish{Messages: []pabal.Message{{ID: fmt.Sprint(i), Data: make([]byte, 128)}}}
			if _, err := m.Append(b.Context(), "a", p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead100(b *testing.B) {
	m := fresh(b, Config{}, pabal.Retention{})
	for i := range 10_000 {
		p := pabal.Publish{Messages: []pabal.Message{{Key: fmt.Sprint(i % 100), Data: make([]byte, 128)}}}
		if _, err := m.Append(b.Context(), "a", p); err != nil {
			b.Fatal(err)
		}
	}
	for _, q := range []pabal.Query{{From: pabal.FromLast(100)}, {Latest: true}} {
		q.MaxEntries, q.MaxBytes = 100, 1<<20
		b.Run(fmt.Sprint("latest=", q.Latest), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := m.Read(b.Context(), "a", q)
				if err != nil || len(page.Entries) != 100 {
					b.Fatal(len(page.Entries), err)
				}
			}
		})
	}
}
