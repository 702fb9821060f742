package transport

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/internal/sim"
)

// A simWorld is nodes over one broker, and their clients. All of it does one
// thing at a time: see package sim. It is for a bubble of testing/synctest.
type simWorld struct {
	seed    uint64
	began   time.Time
	gate    *sim.Gate
	broker  *memory.Broker
	ledger  *ledger.Ledger
	nodes   []*simNode
	readers []*simReader
	writers []*simWriter
	epochs  pabal.Epoch
	tokens  int

	story  []string
	failed []string

	late            time.Time // when a tail last missed something in silence, or could not be read anew
	written, writes int       // bytes to clients, and how many writes that took
}

// simRules are the channels, and what they promise.
var simRules = map[string]ledger.Rules{
	"all":    {},             // keeps everything
	"few":    {Keep: 12},     // keeps the last entries
	"lossy":  {Lossy: true},  // a crash takes back some
	"latest": {Latest: true}, // has keys
	"aged":   {Ages: true},   // keeps for a minute
}

var simChannels = []string{"aged", "all", "few", "latest", "lossy"}

func simRetention(ch pabal.Channel) pabal.Retention {
	keep := pabal.Retention{Entries: -1, Bytes: -1, Age: -1, IDWindow: 24 * time.Hour}
	switch ch {
	case "few":
		keep.Entries = 12
	case "latest":
		keep.Latest = true
	case "aged":
		keep.Age = time.Minute
	}
	return keep
}

// A simNode is a node: its loop's turns are the script's.
type simNode struct {
	world *simWorld
	name  string
	h     *Handler
	l     *loop
	model *modelPoller
}

const (
	simNodes   = 2
	simReaders = 10
	simWriters = 3
)

func newSimWorld(seed uint64) *simWorld {
	w := &simWorld{seed: seed, began: time.Now(), ledger: ledger.New(simRules), epochs: 100_000}
	w.broker = memory.New(memory.Config{Retention: simRetention, Epoch: func() pabal.Epoch { w.epochs++; return w.epochs }})
	w.gate = sim.NewGate(w.broker)
	for i := range simNodes {
		w.nodes = append(w.nodes, w.newNode(fmt.Sprintf("node %d", i+1)))
	}
	for i := range simReaders {
		w.readers = append(w.readers, w.newReader(i))
	}
	for i := range simWriters {
		w.writers = append(w.writers, &simWriter{world: w, name: fmt.Sprintf("w%d", i+1)})
	}
	return w
}

func (w *simWorld) newNode(name string) *simNode {
	n := &simNode{world: w, name: name}
	n.h = &Handler{
		Hub: pabal.NewHub(w.gate.Node(name), pabal.Limits{
			WindowEntries: []int{8, 8, 1, 3, 40}[w.seed%5], TailLinger: 3 * time.Second,
		}),
		Log: slog.New(slog.NewTextHandler(simLogger{w}, nil)), RotateAfter: time.Minute, RotateBytes: 20_000,
	}
	n.h.init()
	n.model = newModelPoller(w.fail)
	n.l = newLoop(n.h, n.model, func(f func()) { go f() })
	n.h.loops.running, n.h.loops.reserved, n.h.loops.seed = []*loop{n.l}, []int{0}, maphash.MakeSeed()
	n.h.loops.system = system{take: func(c net.Conn, _ int) (socket, error) { return c.(*modelConn).sock, nil }}
	return n
}

// simLogger fails a world at each error that is logged.
type simLogger struct{ *simWorld }

func (l simLogger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("level=ERROR")) && !bytes.Contains(p, []byte("the simulated broker")) {
		l.fail("a node says: %s", p)
	}
	return len(p), nil
}

// say adds a line to the story.
func (w *simWorld) say(format string, args ...any) {
	w.story = append(w.story, fmt.Sprintf("%9.3fs  ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

// fail says what is wrong.
func (w *simWorld) fail(format string, args ...any) {
	w.failed = append(w.failed, fmt.Sprintf(format, args...))
}

// check fails w at an error.
func (w *simWorld) check(err error) {
	if err != nil {
		w.fail("%v", err)
	}
}

// wrong returns the first that is wrong, or "".
func (w *simWorld) wrong() string {
	if len(w.failed) == 0 {
		return ""
	}
	return w.failed[0]
}

// simKinds are the actions, and how often each comes.
var simKinds = []sim.Kind{
	{Name: "publish", Weight: 20}, {Name: "again", Weight: 8}, {Name: "connect", Weight: 16}, {Name: "hop", Weight: 6},
	{Name: "cut", Weight: 5}, {Name: "leave", Weight: 3}, {Name: "silence", Weight: 1}, {Name: "stall", Weight: 4}, {Name: "free", Weight: 4},
	{Name: "receive", Weight: 14}, {Name: "turn", Weight: 22}, {Name: "call", Weight: 24}, {Name: "tail", Weight: 16},
	{Name: "settle", Weight: 6}, {Name: "pass", Weight: 6}, {Name: "sleep", Weight: 1},
	{Name: "close", Weight: 1}, {Name: "delete", Weight: 1}, {Name: "restart", Weight: 1}, {Name: "crash", Weight: 1},
}

// do does a, and waits until all have done what follows from it.
func (w *simWorld) do(a sim.Action) {
	node := w.nodes[a.Of(1, len(w.nodes))]
	reader := w.readers[a.Of(0, len(w.readers))]
	writer := w.writers[a.Of(0, len(w.writers))]
	switch a.Kind {
	case "publish":
		writer.publish(node, a)
	case "again":
		writer.again(node, a)
	case "connect":
		reader.connect(node, a)
	case "hop":
		reader.hop(node, a)
	case "cut":
		reader.cut(a)
	case "leave":
		writer.leave()
	case "silence":
		reader.silence()
	case "stall":
		reader.stall([]int{0, 1, 40, 400}[a.Of(2, 4)])
	case "free":
		reader.stall(-1)
	case "receive":
		reader.receive(a)
	case "turn":
		node.turn()
	case "call":
		w.call(a)
	case "tail":
		w.tail(a)
	case "settle":
		w.settle()
	case "pass":
		w.pass(time.Duration(a.N[0]%5000)*time.Millisecond, 0)
	case "sleep":
		w.pass(time.Duration(20+a.N[0]%100)*time.Second, 0)
	case "close":
		writer.close(node, simChannels[a.Of(2, len(simChannels))], a)
	case "delete":
		writer.remove(node, simChannels[a.Of(2, len(simChannels))], a)
	case "restart":
		w.restart(a)
	case "crash":
		w.crash(a)
	}
	synctest.Wait()
	for _, writer := range w.writers {
		writer.hear()
	}
}

// call has one of the broker's calls that wait pass.
func (w *simWorld) call(a sim.Action) {
	calls := w.gate.Waiting()
	if len(calls) == 0 {
		return
	}
	c := calls[a.Of(0, len(calls))]
	outcome, what := sim.Done, "does this"
	switch a.N[1] % 20 {
	case 0:
		outcome, what = sim.Refused, "refuses this"
		w.late = time.Now()
	case 1:
		outcome, what = sim.Unknown, "does this, and its answer is lost"
	case 2, 3:
		outcome, what = sim.Late, "does this, and the answer is on its way"
	}
	w.say("the broker %s: %s", what, c.What)
	w.gate.Pass(c, outcome)
}

// tail has something that a tail tells meet its fate.
func (w *simWorld) tail(a sim.Action) {
	lines := w.gate.Lines()
	if len(lines) == 0 {
		return
	}
	l := lines[a.Of(0, len(lines))]
	fate, what := sim.Told, "arrives"
	switch a.N[1] % 12 {
	case 0:
		fate, what = sim.Dropped, "is lost in silence"
	case 1:
		fate, what = sim.Twice, "arrives, and will again"
	case 2:
		fate, what = sim.Later, "makes way for the next"
	case 3:
		fate, what = sim.Missed, "is lost, and it is told so"
	}
	if fate == sim.Dropped {
		w.late = time.Now()
	}
	w.say("what the tail of %s on %s is told %s", l.Channel, l.Node, what)
	l.Tell(fate)
}

// turn has the node's loop take a turn.
func (n *simNode) turn() (slept bool) {
	events := len(n.model.pending) + len(n.model.stale)
	n.l.turn()
	if wrong := n.l.inconsistent(); wrong != nil {
		n.world.fail("%s, after a turn: %s", n.name, strings.Join(wrong, "; "))
	}
	for _, s := range n.l.seats.taken { // of what a slow reader has not taken, no more is kept than an entry, or a write
		if c := s.conn; c != nil && len(c.rest) > writeBytes+burstBytes {
			n.world.fail("%s keeps %d bytes for one connection", n.name, len(c.rest))
		}
	}
	return n.model.asked != 0 && events == 0
}

// settle has all happen that needs no time: calls are answered, tails told,
// and loops turn until they rest. Clients receive what was sent.
func (w *simWorld) settle() {
	for range 10_000 {
		synctest.Wait()
		if w.serve() {
			continue
		}
		rest := true
		for _, n := range w.nodes {
			rest = n.turn() && rest
			synctest.Wait()
		}
		for _, r := range w.readers {
			rest = !r.look(-1) && rest
		}
		for _, writer := range w.writers {
			writer.hear()
		}
		if rest && len(w.gate.Waiting())+len(w.gate.Lines()) == 0 || len(w.failed) > 0 {
			return
		}
	}
	w.fail("it does not come to rest")
}

// serve has one call of the broker pass, or one tail told. It reports whether
// there was any.
func (w *simWorld) serve() bool {
	if calls := w.gate.Waiting(); len(calls) > 0 {
		w.gate.Pass(calls[0], sim.Done)
		return true
	}
	lines := w.gate.Lines()
	return len(lines) > 0 && lines[0].Tell(sim.Told)
}

// pass lets time pass, in which loops turn when they want to. With a step all
// else happens, too, as often.
func (w *simWorld) pass(d, step time.Duration) {
	w.say("%v pass", d)
	for end := time.Now().Add(d); time.Now().Before(end) && len(w.failed) == 0; {
		left := time.Until(end)
		if step > 0 {
			w.settle()
			left = min(left, step)
		}
		for _, n := range w.nodes {
			n.turn()
			if asked := n.model.asked; asked >= 0 {
				left = min(left, max(asked, time.Millisecond))
			}
			synctest.Wait()
		}
		time.Sleep(left)
		synctest.Wait()
	}
}

// hold holds what the logs are against what is known.
func (w *simWorld) hold() {
	for _, ch := range simChannels {
		var entries []ledger.Entry
		closed := false
		for q := (pabal.Query{MaxEntries: 1000, MaxBytes: 1 << 20}); ; {
			page, err := w.broker.Read(context.Background(), pabal.Channel(ch), q)
			if err != nil {
				w.fail("reading %s: %v", ch, err)
				return
			}
			for _, e := range page.Entries {
				entries = append(entries, simEntry(e.Position().String(), e.Data))
				q.From = pabal.After(e.Position())
			}
			if closed = page.Closed; !page.More {
				break
			}
		}
		log := w.ledger.Log(ch)
		w.check(log.Hold("", entries, closed))
		w.check(log.Judge())
	}
}

func simEntry(cursor string, data []byte) ledger.Entry {
	token, _, _ := strings.Cut(string(data), " ")
	return ledger.Entry{Cursor: cursor, Token: token, Sum: maphash.Bytes(simSum, data)}
}

var simSum = maphash.MakeSeed()

// restart has the broker come back from what it has kept, under nodes that
// live on.
func (w *simWorld) restart(a sim.Action) {
	lose := int(a.N[0] % 4)
	w.say("the broker restarts; %s", losing(lose))
	w.forget()
	w.reopen(lose)
	w.check(w.gate.Restart(w.broker))
	w.hold()
}

func losing(n int) string {
	if n == 0 {
		return "nothing is lost"
	}
	return fmt.Sprintf("the last %d entries of lossy are lost", n)
}

// crash has all nodes die with the broker, and come back.
func (w *simWorld) crash(a sim.Action) {
	lose := int(a.N[0] % 4)
	w.say("the nodes crash, and the broker; %s", losing(lose))
	for _, r := range w.readers {
		r.drop("its node has crashed")
	}
	for _, writer := range w.writers {
		writer.hangUp()
	}
	w.forget()
	for i, n := range w.nodes {
		n.end()
		w.nodes[i] = w.newNode(n.name)
	}
	w.reopen(lose)
	w.check(w.gate.Restart(w.broker))
	w.hold()
}

// forget has the calls that wait come to nothing: publishers do not know what
// became of theirs.
func (w *simWorld) forget() {
	synctest.Wait()
	for calls := w.gate.Waiting(); len(calls) > 0; calls = w.gate.Waiting() {
		w.late = time.Now()
		w.gate.Pass(calls[0], sim.Refused)
		synctest.Wait()
	}
	for _, writer := range w.writers {
		if writer.hear(); writer.pending != nil { // its WebSocket has more to say, which would come too late
			writer.hangUp()
			writer.hear()
		}
	}
}

func (w *simWorld) reopen(lose int) {
	w.ledger.Restarted(strconv.FormatUint(uint64(w.epochs+1), 36))
	w.broker = w.broker.Reopen(func(ch pabal.Channel) int {
		if ch == "lossy" {
			return lose
		}
		return 0
	})
}

// end ends a node, all of whose connections are gone.
func (n *simNode) end() {
	for range 100 {
		synctest.Wait()
		if n.turn(); n.l.seats.count == 0 && n.l.lent == 0 {
			break
		}
	}
	n.h.Hub.Close()
}

// finish mends everything, and checks that each reader gets to the end of what
// it reads, and that nothing is left of anybody.
func (w *simWorld) finish() {
	w.say("all that was wrong is mended")
	ok := len(w.failed) == 0
	if soon := time.Since(w.late) < 6*time.Second; ok && !soon {
		w.settle()
		w.soon()
	}
	for range 8 {
		for _, r := range w.readers {
			if ok && len(w.failed) == 0 {
				r.mend()
			}
		}
		for _, writer := range w.writers {
			writer.mend(w.nodes[0])
		}
		if ok && len(w.failed) == 0 {
			w.pass(10*time.Second, 500*time.Millisecond)
			w.settle()
		}
	}
	if ok && len(w.failed) == 0 {
		w.hold()
		for _, r := range w.readers {
			r.checkLive()
			r.checkOwed()
		}
		w.atOnce()
	}
	w.forget()
	for _, r := range w.readers {
		r.drop("")
	}
	for _, writer := range w.writers {
		writer.hangUp()
	}
	for _, n := range w.nodes {
		n.end()
		if stats := n.h.Hub.Stats(); stats.Sessions != 0 && len(w.failed) == 0 {
			w.fail("%s has %d sessions left", n.name, stats.Sessions)
		}
	}
	_ = w.broker.Close() // never fails
}

// soon checks that who reads is at the end: nothing has happened for which a
// tail may be late, until it is compared with its log.
func (w *simWorld) soon() {
	for _, r := range w.readers {
		if r.conn != nil && r.conn.sock.room < 0 && !r.query.Has("every") && !readers.Named(r.conn.ask.via).Answers && r.conn.hijacked() {
			r.checkLive()
		}
	}
}

// atOnce checks that where nothing is wrong each reader gets at once, without
// any time, what there is, what is published, and that its channels are closed.
func (w *simWorld) atOnce() {
	all := slices.DeleteFunc(slices.Clone(w.readers), func(r *simReader) bool { return r.query.Has("every") }) // who rests between
	for _, r := range all {
		r.stay()
	}
	w.settle()
	p := w.writers[0]
	for i := range simChannels {
		p.known, p.unknown = nil, nil
		p.publish(w.nodes[1], sim.Action{N: [4]uint32{0, 0, uint32(i), 0}})
		w.settle()
	}
	for _, r := range all {
		r.checkLive()
	}
	for _, ch := range simChannels {
		p.close(w.nodes[1], ch, sim.Action{})
		w.settle()
	}
	for _, r := range all {
		r.checkClosed()
	}
}

// pick returns one of list by the i-th number of a.
func pick[T any](a sim.Action, i int, list []T) T { return list[a.Of(i, len(list))] }
