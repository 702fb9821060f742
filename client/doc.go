// Package client reads and publishes on a Pabal server from Go. It has the
// server's words and the server's cursors: a channel is a log, and a reader is
// a cursor in it.
//
//	c := &client.Client{URL: "https://example.com"}
//	_, err := c.Publish(ctx, "chat", pabal.Message{Data: []byte("hi")})
//
//	sub := c.Subscribe(client.Options{Channels: []pabal.Channel{"chat"}, Since: "all"})
//	for event, err := range sub.Events(ctx) {
//		if err != nil {
//			return err
//		}
//		if event.Entry != nil {
//			fmt.Printf("%s\n", event.Entry.Data)
//		}
//	}
//
// What is there already is read by [Client.Read], page by page and both ways.
//
// Who reads with Options.Join is present in its channels, and [Client.Present]
// and [Client.Who] tell who is. [Client.Call] asks the application something
// and returns its answer; [Client.Respond] answers what is asked:
//
//	answer, err := c.Call(ctx, "shop", pabal.Message{Data: []byte("two cups")})
//
// A client that is known by a token has a Client.Token: it is asked again before
// a token ends, and nothing is lost or read twice because of that.
//
// # The promise
//
// A subscription gives each entry of its channels once and in order, or,
// before the next entry, a notice that says what is missing and why. When its
// connection breaks, ends or falls silent, it connects again by itself and
// goes on at its own cursor. It ends when all its channels are closed, when
// its context ends, or at an error that trying again cannot mend.
//
// [Subscription.Cursors] is all that is needed to go on elsewhere: later, in
// another process, or by another technique.
//
// A publish whose outcome is unknown is repeated under the same ID, so it is
// in the log once. A call is asked once and answered once: it has its answer,
// or an error, and where it is not known what was done, [ErrOutcomeUnknown].
//
// # Concurrency
//
// A [Client] may be used by any number of goroutines, and must not be copied. It
// runs none of its own but while it is called, so it needs no closing. All its
// calls in flight share one that reads their answers. To the server it is one
// connection, whose id is made once and is a secret. The events of a
// [Subscription] belong to one goroutine at a time; Cursors may be called by
// any, at any time.
package client
