package pabal_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// Publish to a channel, and read it from its beginning on.
func Example() {
	broker := memory.New(memory.Config{})
	defer func() { _ = broker.Close() }()
	hub := pabal.NewHub(broker, pabal.Limits{})
	defer hub.Close()

	ctx := context.Background()
	for _, data := range []string{"1:0", "1:1"} {
		_, err := hub.Publish(ctx, pabal.Grant{}, "scores", pabal.Publish{Messages: []pabal.Message{{Data: []byte(data)}}})
		if err != nil {
			fmt.Println(err)
		}
	}
	if _, err := hub.Publish(ctx, pabal.Grant{}, "scores", pabal.Publish{Close: true}); err != nil {
		fmt.Println(err)
	}

	session, err := hub.Open(pabal.Grant{}, pabal.NewSignal(), pabal.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	if err := session.Subscribe("scores", pabal.FromAll()); err != nil {
		fmt.Println(err)
		return
	}
	for batch, err := range session.Batches(ctx, 15*time.Second) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, item := range batch.Items {
			if item.Notice != nil {
				fmt.Println(item.Notice.Kind)
			} else {
				fmt.Printf("%s\n", item.Entry.Data)
			}
		}
	}
	// Output:
	// 1:0
	// 1:1
	// $closed
}

// A session without a waker reads what is there, as a poll does. The cursor of
// any entry resumes after it.
func ExampleSession_Step() {
	broker := memory.New(memory.Config{})
	defer func() { _ = broker.Close() }()
	hub := pabal.NewHub(broker, pabal.Limits{})
	defer hub.Close()

	ctx := context.Background()
	messages := []pabal.Message{{Data: []byte("one")}, {Data: []byte("two")}, {Data: []byte("three")}}
	first, err := hub.Publish(ctx, pabal.Grant{}, "chat", pabal.Publish{Messages: messages})
	if err != nil {
		fmt.Println(err)
		return
	}
	cursor := first.Positions[0].String() // as a client has it

	position, err := pabal.ParsePosition(cursor)
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := hub.Open(pabal.Grant{}, nil, pabal.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	if err := session.Subscribe("chat", pabal.After(position)); err != nil {
		fmt.Println(err)
		return
	}
	var batch pabal.Batch
	for state := pabal.More; state != pabal.Done; {
		if state = session.Step(&batch, 100); state == pabal.Behind {
			if err := session.CatchUp(ctx); err != nil {
				fmt.Println(err)
				return
			}
		}
		for _, item := range batch.Items {
			fmt.Printf("%s\n", item.Entry.Data)
		}
	}
	// Output:
	// two
	// three
}

func ExampleParseChannel() {
	_, err := pabal.ParseChannel("a b")
	fmt.Println(err)
	// Output:
	// channel "a b": byte ' ' is not allowed (letters, digits and -_.:/ are; $ only first, for Pabal's own)
}
