package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

func Example() {
	b := memory.New(memory.Config{
		Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Entries: 1000, Age: time.Hour} },
	})
	defer func() { _ = b.Close() }()
	ctx := context.Background()

	start, err := b.Tail(ctx, "scores", func(e *pabal.Entry) { fmt.Printf("told %s\n", e.Data) })
	if err != nil {
		panic(err)
	}
	for _, score := range []string{"1:0", "1:1"} {
		if _, err := b.Append(ctx, "scores", pabal.Publish{Messages: []pabal.Message{{Data: []byte(score)}}}); err != nil {
			panic(err)
		}
	}
	page, err := b.Read(ctx, "scores", pabal.Query{From: pabal.After(start), MaxEntries: 10, MaxBytes: 1 << 20})
	if err != nil {
		panic(err)
	}
	fmt.Printf("read %d entries\n", len(page.Entries))
	// Output:
	// told 1:0
	// told 1:1
	// read 2 entries
}
