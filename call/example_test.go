package call_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/call"
)

// Answer calls of channels in Go, and read an answer as a client does: in the
// inbox of its connection.
func Example() {
	broker := memory.New(memory.Config{})
	defer func() { _ = broker.Close() }()
	hub := pabal.NewHub(broker, pabal.Limits{})
	defer hub.Close()

	var mux call.Mux
	err := mux.Handle("shop/*", call.Answer(func(_ context.Context, r *call.Request) (pabal.Message, error) {
		if r.User == "" {
			return pabal.Message{}, &pabal.ForbiddenError{Action: pabal.ToCall, Channel: r.Channel, Why: "sign in first"}
		}
		return pabal.Message{Data: fmt.Appendf(nil, "%s ordered %s from %s", r.User, r.Message.Data, r.Channel)}, nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	calls := call.New(call.Config{Hub: hub, Handler: &mux})
	defer calls.Close()

	alice := pabal.Grant{User: "alice", Connection: "tH1s-Is-A-s3cRet-0f-alice"}
	inbox, err := hub.Open(alice, pabal.NewSignal(), pabal.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer inbox.Close()
	if err := inbox.Subscribe(pabal.Channel(pabal.Inbox+alice.Connection), pabal.FromAll()); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := calls.Call(ctx, alice, "shop/tea", pabal.Message{ID: "my-first", Data: []byte("two cups")}, time.Second); err != nil {
		fmt.Println(err)
		return
	}
	for batch, err := range inbox.Batches(ctx, time.Minute) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, item := range batch.Items {
			if item.Entry != nil {
				fmt.Printf("%s: %s: %s\n", item.Entry.Key, item.Entry.Type, item.Entry.Data)
				return
			}
		}
	}
	// Output: my-first: answer: alice ordered two cups from shop/tea
}
