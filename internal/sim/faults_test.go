package sim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A fault is a deliberate one: what it puts in the place of a piece of the
// source. It is in a binary that this test alone builds, with go build -overlay,
// and happens there if PABAL_FAULT names it: what is shipped knows nothing of it.
type fault struct {
	name string
	what string
	file string
	old  string // is in file once
	new  string
}

// ways are those of presence, of calls and of orders, which TestSimWays finds.
var ways = []fault{
	{
		"leave", "a leave is written though the log has moved on", "presence/write.go",
		"	b := &batch{leaves: true, publish: pabal.Publish{If: new(r.seen)}}\n",
		`	b := &batch{leaves: true, publish: pabal.Publish{If: new(r.seen)}}
	if fault("leave") {
		b.publish.If = nil
	}
`,
	},
	{
		"count", "who joins twice is not counted twice", "presence/join.go",
		"	m.refs++\n",
		`	if m.refs++; fault("count") {
		m.refs = 1
	}
`,
	},
	{
		"ghosts", "nobody removes who was present on a node that died", "presence/lease.go",
		"			signal(s.untidy)\n",
		`			if !fault("ghosts") {
				signal(s.untidy)
			}
`,
	},
	{
		"missed", "who was written to have left elsewhere, and is here, is not written anew", "presence/follow.go",
		"		m.at, m.flags.written, m.flags.taken = pabal.Position{}, false, false\n		if b.Reason",
		`		m.at, m.flags.written, m.flags.taken = pabal.Position{}, false, false
		if fault("missed") {
			m.at, m.flags.written = e.Position(), true
			return
		}
		if b.Reason`,
	},
	{
		"final", "that a call's time is over is said in the inbox, not decided by its log", "call/follow.go",
		"	err := c.service.append(ctx, logOf(c.ref), m, true)\n",
		`	if fault("final") {
		_ = c.copy(ctx, "late", m)
		return
	}
	err := c.service.append(ctx, logOf(c.ref), m, true)
`,
	},
	{
		"copies", "what is copied to an inbox has no ID", "call/follow.go",
		"	m.ID, m.Key = \"answer/\"+c.ref+\"/\"+n, c.id\n",
		`	m.ID, m.Key = "answer/"+c.ref+"/"+n, c.id
	if fault("copies") {
		m.ID = ""
	}
`,
	},
	{
		"claim", "each node that is asked asks the handler", "call/handle.go",
		"	c.claimed.Store(err == nil)\n",
		`	if fault("claim") {
		err = nil
	}
	c.claimed.Store(err == nil)
`,
	},
	{
		"silence", "who asks again is not waited for", "call/call.go",
		"		c.ask = known\n		return nil\n",
		`		if c.ask = known; fault("silence") {
			c.ask.Until = time.Now().Add(time.Hour)
		}
		return nil
`,
	},
	{
		"resume", "a response that comes again does not read what was subscribed to", "transport/inbox.go",
		"			err = h.restore(ctx, q, g)\n",
		`			if !fault("resume") {
				err = h.restore(ctx, q, g)
			}
`,
	},
	{
		"order", "a subscription by POST begins when it is obeyed, not where its reply said", "transport/more.go",
		"		if err := m.session.Subscribe(o.Channel, pabal.After(at)); err != nil {\n",
		`		from := pabal.After(at)
		if fault("order") {
			from = pabal.FromNow()
		}
		if err := m.session.Subscribe(o.Channel, from); err != nil {
`,
	},
}

var faults = []fault{
	{
		"cursors", "only the last entry of a batch comes with its cursor", "transport/burst.go",
		"b.bytes, b.ends = f.item(b.bytes, &b.batch.Items[i])",
		`from := len(b.bytes)
		b.bytes, b.ends = f.item(b.bytes, &b.batch.Items[i])
		if fault("cursors") && i < len(b.batch.Items)-1 && b.batch.Items[i].Entry != nil {
			b.bytes = append(b.bytes[:from], bytes.Replace(b.bytes[from:], []byte("id: "), []byte("no: "), 1)...)
		}`,
	},
	{
		"subscribe", "the history is read, then the tail subscribed to, with a moment between", "tail.go",
		"	if p == last.Position() {\n		return last, false\n	}\n",
		`	if p == last.Position() || fault("subscribe") {
		return last, false
	}
`,
	},
	{
		"dropped", "a tail that has missed something is not read anew", "tail.go",
		"	default: // a hole, or fn(nil)\n		t.refreshLocked()\n",
		`	default:
		if !fault("dropped") {
			t.refreshLocked()
		} else if e != nil && e.Epoch == t.last().Epoch {
			t.linkLocked(e)
			wake = t.wakers.Take()
		}
`,
	},
	{
		"reuse", "after a crash offsets are given out again", "broker/memory/reopen.go",
		"		survivor = (*l.entries.At(kept)).Prev\n	}\n",
		`		survivor = (*l.entries.At(kept)).Prev
	}
	if fault("reuse") {
		next.end, next.fresh = survivor, min(next.fresh, survivor)
		in.epoch = in.lineage[len(in.lineage)-1].epoch
		next.life = in
	}
`,
	},
	{
		"id", "the IDs of what was published are forgotten", "internal/once/once.go",
		"	sp.expire(now)\n	if c.batch != nil {\n		if u",
		`	sp.expire(now)
	if fault("id") {
		clear(sp.known)
	}
	if c.batch != nil {
		if u`,
	},
	{
		"command", "a command's ID of a message is not passed on", "transport/command.go",
		"	return pabal.Message{ID: c.MessageID, Type",
		`	if fault("command") {
		c.MessageID = ""
	}
	return pabal.Message{ID: c.MessageID, Type`,
	},
	{
		"hop", "a hop closes the old connection, and begins the new one at the end", "transport/sim_reader_test.go",
		"	if cursors != nil {\n		c.ask.query[\"cursor\"] = cursors\n",
		`	if cursors != nil && fault("hop") {
		c.ask.query.Set("since", "now")
	} else if cursors != nil {
		c.ask.query["cursor"] = cursors
`,
	},
	{
		"gap", "a gap is not announced", "session.go",
		"	if page.Lost != nil {\n",
		"	if page.Lost != nil && !fault(\"gap\") {\n",
	},
	{
		"partial", "a write that was taken in part goes on at the wrong byte", "transport/burst.go",
		"	begin := 0\n	for i, end := range b.upTo {\n",
		`	begin := 0
	if fault("partial") && n > 0 {
		n--
	}
	for i, end := range b.upTo {
`,
	},
	{
		"shared", "bytes are changed after they were shared", "message.go",
		"				return n.bytes\n",
		`				if at := len(n.bytes) - 5; at > 0 && fault("shared") {
					n.bytes[at] ^= 1
				}
				return n.bytes
`,
	},
	{
		"beat", "a heartbeat comes within an entry", "transport/loopconn.go",
		"	if c.rest = c.rest[n:]; len(c.rest) > 0 {\n		return true\n	}\n",
		`	if c.rest = c.rest[n:]; len(c.rest) > 0 {
		if n > 0 && fault("beat") {
			c.rest = append(c.wording().beat(nil), c.rest...)
		}
		return true
	}
`,
	},
	{
		"wake", "now and then nobody is woken for an entry", "tail.go",
		"		t.linkLocked(e)\n		wake = t.wakers.Take()\n	case t.dirty:",
		`		t.linkLocked(e)
		if !fault("wake") || e.Offset%3 != 0 {
			wake = t.wakers.Take()
		}
	case t.dirty:`,
	},
	{
		"severed", "a reader that the window has left goes on at its end", "session.go",
		"	case next == severed:\n",
		`	case next == severed && fault("severed"):
		p.tail.mu.Lock()
		p.at = p.tail.last()
		p.tail.mu.Unlock()
	case next == severed:
`,
	},
	{
		"deleted", "a deletion does not move the end of the log", "broker/memory/append.go",
		"	l.clear(now)\n",
		`	end := l.end
	l.clear(now)
	if fault("deleted") {
		l.end, l.first, l.fresh, l.deleted = end, end, end, 0
	}
`,
	},
	{
		"rewind", "what a stalled reader was not given is not given again", "transport/loopconn.go",
		"		c.session.Rewind(&l.out.batch, taken)\n",
		"		if !fault(\"rewind\") {\n			c.session.Rewind(&l.out.batch, taken)\n		}\n",
	},
	{
		"closed", "nobody is woken when a log is closed", "tail.go",
		"	return t.closed.Swap(closed) != closed || changed, !page.More\n",
		"	return t.closed.Swap(closed) != closed && !fault(\"closed\") || changed, !page.More\n",
	},
	{
		"live", "a reader is told again and again that it has caught up", "session.go",
		"	if p := &s.places[i]; !p.live {\n",
		"	if p := &s.places[i]; !p.live || fault(\"live\") && len(b.Items) > 0 {\n",
	},
	{
		"wide", "a gap is said to be wider than it is, and what is in it left out", "session.go",
		"		p.catch.notices = append(p.catch.notices, page.Lost.notice(p.channel))\n",
		`		if n := len(page.Entries); fault("wide") && n > 1 {
			page.Lost.To = page.Entries[0].Position()
			p.catch.entries = page.Entries[1:]
		}
		p.catch.notices = append(p.catch.notices, page.Lost.notice(p.channel))
`,
	},
}

// The simulator finds each fault, and the few actions that show it.
func TestFaults(t *testing.T) {
	binary := build(t)
	sound := exec.Command(binary, "-test.run=^TestSim(Ways)?$", "-sim.runs=20")
	sound.Dir = "../../transport"
	if out, err := sound.CombinedOutput(); err != nil {
		t.Fatalf("without a fault: %v\n%s", err, out)
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) { catch(t, binary, "TestSim", &f) })
	}
	for _, f := range ways {
		t.Run(f.name, func(t *testing.T) { catch(t, binary, "TestSimWays", &f) })
	}
}

// catch has test find f.
func catch(t *testing.T, binary, test string, f *fault) {
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^"+test+"$", "-sim.runs=2000", "-test.timeout=120s")
	cmd.Dir = "../../transport"
	cmd.Env = append(os.Environ(), "PABAL_FAULT="+f.name)
	out, err := cmd.CombinedOutput()
	found := caught.FindSubmatch(out)
	if err == nil || found == nil {
		t.Fatalf("not caught: %s\n%s", f.what, out[max(0, len(out)-3000):])
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Logf("%s: found by seed %s, in %s actions of %s\n%s", f.what, found[1], found[4], found[3], last(lines))
}

var caught = regexp.MustCompile(`(?s)make sim SEED=(\d+) STEPS=\d+: ([^\n]*).*?Of (\d+) actions (\d+) are enough`)

// last returns what is wrong, which is said after the story.
func last(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if text := strings.TrimSpace(lines[i]); text != "" && !strings.HasPrefix(text, "---") && !strings.HasPrefix(text, "FAIL") && !strings.HasPrefix(text, "exit") && !strings.Contains(text, " scripts") {
			return text
		}
	}
	return ""
}

// build builds the tests of transport with all faults, none of which happens
// unless it is named.
func build(t *testing.T) (binary string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sources := map[string]string{} // by file, what is there instead
	for _, f := range append(slices.Clone(faults), ways...) {
		text, ok := sources[f.file]
		if !ok {
			bytes, err := os.ReadFile(filepath.Join(root, f.file))
			if err != nil {
				t.Fatal(err)
			}
			text = string(bytes)
		}
		if n := strings.Count(text, f.old); n != 1 {
			t.Fatalf("%s holds %d times what the fault %q is to replace:\n%s", f.file, n, f.name, f.old)
		}
		sources[f.file] = strings.Replace(text, f.old, f.new, 1)
	}
	for file := range sources {
		folder := filepath.Dir(file)
		name := filepath.Base(folder)
		if folder == "." {
			name = "pabal"
		}
		sources[filepath.Join(folder, "fault.go")] = fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar faultNamed = os.Getenv(\"PABAL_FAULT\")\n\nfunc fault(name string) bool { return name == faultNamed }\n", name)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for file, text := range sources {
		at := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(root, file)] = at
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "sim.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./transport")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return binary
}
