package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"net/http"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
)

func ExampleClient_Publish() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &client.Client{
		URL:    "https://example.com",
		Header: http.Header{"Authorization": {"Bearer …"}},
	}
	receipt, err := c.Publish(ctx, "sports/kbo/lg-doosan",
		pabal.Message{Type: "score", Key: "lg", Data: []byte("1")},
		pabal.Message{Type: "score", Key: "doosan", Data: []byte("0")},
	)
	var refused *client.Error
	switch {
	case errors.Is(err, pabal.ErrClosed):
		log.Print("the game is over")
	case errors.As(err, &refused):
		log.Printf("nothing was published: %s", refused.Detail)
	case err != nil:
		log.Print(err)
	}
	fmt.Println(receipt.Cursor)
}

func ExampleSubscription_Events() {
	c := &client.Client{}
	sub := c.Subscribe(client.Options{
		Channels: []pabal.Channel{"chat", "scores"},
		Since:    "10m",
	})
	for event, err := range sub.Events(context.Background()) {
		if err != nil {
			log.Print(err)
			return
		}
		if n := event.Notice; n != nil {
			if n.Kind == pabal.NoticeGap || n.Kind == pabal.NoticeReset {
				log.Printf("%s: missing after %s up to %s: %s", n.Channel, n.From, n.To, n.Reason)
			}
			continue
		}
		fmt.Printf("%s: %s\n", event.Entry.Channel, event.Entry.Data)
	}
	fmt.Println("all channels are closed")
}

// A subscription goes on where another stood, by any technique, in any
// process: the cursors are text.
func ExampleSubscription_Cursors() {
	c := &client.Client{}
	first := c.Subscribe(client.Options{Channels: []pabal.Channel{"chat"}, Via: "sse", Since: "all"})
	for event, err := range first.Events(context.Background()) {
		if err != nil || event.Entry != nil {
			break
		}
	}
	second := c.Subscribe(client.Options{Channels: []pabal.Channel{"chat"}, Via: "longpoll", Cursors: first.Cursors()})
	for event, err := range second.Events(context.Background()) {
		if err != nil {
			break
		}
		fmt.Println(event.Notice, event.Entry)
	}
}

// A call asks the application behind a channel; here another client answers.
func ExampleClient_Call() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c := &client.Client{}
	answer, err := c.Call(ctx, "shop", pabal.Message{Data: []byte("two cups")})
	var failed *client.Error
	switch {
	case errors.As(err, &failed):
		log.Printf("not sold: %s", failed.Detail)
	case err != nil:
		log.Print(err)
	default:
		fmt.Printf("%s\n", answer.Data)
	}
}

func ExampleClient_Respond() {
	c := &client.Client{}
	err := c.Respond(context.Background(), "shop", func(_ context.Context, r client.Request) iter.Seq2[pabal.Message, error] {
		return func(yield func(pabal.Message, error) bool) {
			if r.User == "" {
				yield(pabal.Message{}, &client.Error{Status: http.StatusForbidden, Title: "Who are you?", Detail: "sign in first"})
				return
			}
			yield(pabal.Message{Data: []byte("sold to " + r.User)}, nil)
		}
	})
	log.Print(err)
}

// Whoever joins is in the set of those who are present.
func ExampleClient_Present() {
	c := &client.Client{Token: func(context.Context) (string, error) { return "a token of the application", nil }}
	members := map[string]client.Member{}
	for change, err := range c.Present(context.Background(), "chat") {
		if err != nil {
			log.Print(err)
			return
		}
		switch change.Kind {
		case "set":
			clear(members)
			for _, m := range change.Members {
				members[m.Key] = m
			}
		case "leave":
			delete(members, change.Member.Key)
		default:
			members[change.Member.Key] = change.Member
		}
		fmt.Println(len(members), "are there")
	}
}
