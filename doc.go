// Package pabal is the engine of Pabal, a real-time server for the web.
//
// A channel is a log. A client is a cursor. A technique (polling, long
// polling, server-sent events, WebSocket, …) is only a way to read a log from
// a cursor. This package holds those words and the machine behind them; it
// knows neither HTTP nor any store. Package transport speaks the techniques,
// the packages under broker keep the logs, and package server wires them.
//
// To use it, give a [Broker] to a [Hub], publish with [Hub.Publish], and read
// with a [Session]:
//
//	hub := pabal.NewHub(broker, pabal.Limits{})
//	defer hub.Close()
//	s, err := hub.Open(pabal.Grant{}, pabal.NewSignal(), pabal.Options{})
//	defer s.Close()
//	err = s.Subscribe("scores", pabal.FromAll())
//	for batch, err := range s.Batches(ctx, 15*time.Second) {
//		// …
//	}
//
// # The promise
//
// The entries of one channel have one order, the same for every reader. A
// reader at a [Position] gets every later entry once, in order, or, before
// the next entry, a [Notice] that says what was missed and why.
//
// # Concurrency
//
// A [Hub], a [Tail] and every [Broker] may be used by any number of
// goroutines. A [Session] and a [Batch] belong to one goroutine at a time. An
// [Entry] that has been handed out is never changed: its data must not be
// written to.
package pabal
