package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// A crash that loses nothing forgets no ID, also of a channel that had been
// forgotten before for being empty. (server.TestWhole, seed 2254.)
func TestReopenKeepsIDsOfForgottenChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Config{Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Age: time.Second} }})
		p := pabal.Publish{Messages: []pabal.Message{{ID: "once", Data: []byte("x")}}}
		first, err := b.Append(t.Context(), "c", p)
		if err != nil {
			t.Fatal(err)
		}
		b = b.Reopen(nil)
		time.Sleep(time.Minute) // the entry expires, and the channel is forgotten
		if names, err := b.Channels(t.Context(), "", "", 10); err != nil || len(names) > 0 {
			t.Fatalf("got the channels %q, %v; want none", names, err)
		}
		b = b.Reopen(nil)
		defer b.Close()
		again, err := b.Append(t.Context(), "c", p)
		if err != nil || !again.Duplicate || again.End != first.End {
			t.Errorf("the repeat: got %+v, %v; want a duplicate at %v", again, err, first.End)
		}
	})
}
