// Package call has clients ask the application something, and hear the answer.
//
//	calls := call.New(call.Config{Hub: hub, Handler: mux})
//	defer calls.Close()
//
// A client asks by naming its call. It is answered in the inbox of its
// connection, in entries keyed by that name: any number of type "part", and
// then one of type "answer", or of type "failed", whose data is a problem (RFC
// 9457). Who answers is the first of
//   - [Config].Handler, if it takes the channel: Go in this process;
//   - the [Hook] of the channel: a URL of the application, asked by POST;
//   - responders: whoever may read $calls/<channel>, where the call is an entry,
//     and answers with [Service.Answer] on any node.
//
// # What is promised
//
// A call is answered once, or failed: of answer and failed exactly one comes,
// and no part after it, whatever races. There is never silence as long as the
// asker asks.
//
// Each call has a log of its own, which no client reads. It begins with the ask;
// answers are appended to it, and the final one closes it, so that nothing can
// follow: a time-out and a cancel are such an entry too. The node that was asked
// copies that log into the inbox, under IDs that are the same on every node.
//
// If that node stops, the asker has the call go on by asking again under the
// same name on any other node. That one finds the ask, asks nothing twice,
// copies what is there, each entry once, and fails the call if its time is over.
// A handler or a hook that had been asked is not asked again: with the node that
// asked it, its answer is lost, and the call fails when its time is over. A
// node that is closed in an orderly way fails such calls before it stops.
//
// A name is known for as long as the broker knows an ID (see
// [pabal.Retention]). After that, the same name is a new call. So the logs of
// calls should be kept for no longer than that: see [Retention].
//
// Who asks again under a name that was used for another content is refused with
// [pabal.ErrConflict]. When a call's time is over is told by the clock of the node
// that was asked first, so those of all nodes should agree. If nobody reads $calls/<channel> the call fails when its
// time is over: that nobody will come cannot be known.
//
// # Concurrency
//
// A [Service] may be used by any number of goroutines. A call that is waited for
// costs one session of the hub, one goroutine, and one more while a handler or a
// hook answers.
package call
