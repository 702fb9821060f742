package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
)

// Options say what to examine, and how. All but URL may be zero.
type Options struct {
	URL     string        // of the server, as https://example.com
	Header  http.Header   // sent with each request: a token
	TLS     *tls.Config   // what is trusted
	Channel pabal.Channel // to read and publish to; one of its own, which is deleted at the end
	Watch   time.Duration // how long nothing is published, to see what is cut; 0 does not
	Reach   time.Duration // how long the first answer may take; 5 s

	// Patience is how long what should come at once may take, beside what the
	// first answer took; 3 s.
	Patience time.Duration

	// Progress, if set, is told what is being done. It must not block.
	Progress func(text string)
	// Words, if set, says an error in plain words.
	Words func(err error) string
}

// An exam is one examination.
type exam struct {
	options Options
	own     bool // the channel is
	nonce   string
	roads   *roads
	report  *Report
	reached time.Duration // what the first answer took
	count   atomic.Uint64 // of requests, so that no cache answers

	reading sync.WaitGroup
	readers []*reader
	posters []*poster
	kept    bool // something was published: there is a channel to delete

	mu      sync.Mutex
	changed chan struct{} // closed when a record changes
}

// Examine measures, and reports what it found, also if that is that there is no
// server. An error is that ctx has ended, or that the options are wrong; the
// channel is deleted then too.
func Examine(ctx context.Context, o Options) (*Report, error) {
	x, err := newExam(o)
	if err != nil {
		return nil, err
	}
	reads, cancel := context.WithCancel(ctx)
	defer x.roads.close()
	defer x.reading.Wait()
	defer cancel()
	x.say("asking " + o.URL)
	if !x.reach(ctx) {
		return x.conclude(ctx)
	}
	x.say("opening each technique")
	x.open(ctx, reads)
	x.say("publishing")
	x.publish(ctx)
	x.say("finding how much is held back")
	x.weigh(ctx, reads)
	x.watch(ctx)
	x.finish(ctx)
	return x.conclude(ctx)
}

func newExam(o Options) (*exam, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the address of a server; write it as https://example.com", o.URL)
	}
	o.Patience, o.Reach = cmp.Or(o.Patience, 3*time.Second), cmp.Or(o.Reach, 5*time.Second)
	x := &exam{options: o, nonce: strings.ToLower(rand.Text()), roads: newRoads(o.TLS), changed: make(chan struct{})}
	if x.own = o.Channel == ""; x.own {
		x.options.Channel = pabal.Channel("doctor/" + x.nonce)
	}
	if _, err := pabal.ParseChannel(string(x.options.Channel)); err != nil {
		return nil, err
	}
	x.report = &Report{Server: o.URL, Channel: string(x.options.Channel)}
	return x, nil
}

func (x *exam) say(text string) {
	if x.options.Progress != nil {
		x.options.Progress(text)
	}
}

func (x *exam) words(err error) string {
	if x.options.Words == nil {
		return err.Error()
	}
	return x.options.Words(err)
}

// patience is how long what should come at once may take here.
func (x *exam) patience() time.Duration { return x.options.Patience + 2*x.reached }

// note changes what is known.
func (x *exam) note(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
	close(x.changed)
	x.changed = make(chan struct{})
}

// await waits until done, of what is known, for d at most.
func (x *exam) await(ctx context.Context, d time.Duration, done func() bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		x.mu.Lock()
		is, changed := done(), x.changed
		x.mu.Unlock()
		if is {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// all returns whether each reader is as said. It is to be called by await.
func (x *exam) all(is func(*reader) bool) func() bool {
	return func() bool {
		return !slices.ContainsFunc(x.readers, func(r *reader) bool { return !is(r) })
	}
}

// open begins to read by each technique, and waits until each has opened, or
// should have.
func (x *exam) open(ctx, reads context.Context) {
	versions := []string{"1.1"}
	if x.report.TLS != nil && x.report.TLS.ALPN == "h2" {
		versions = append(versions, "2")
		// Else each that shares it would make a connection. What is wrong with it, they will see.
		_, _ = x.ask(ctx, x.roads.client("2"), x.patience(), nil)
	}
	for _, version := range versions {
		for _, technique := range techniques {
			x.readers = append(x.readers, x.newReader(technique, version))
		}
		x.posters = append(x.posters, &poster{http: version, client: x.roads.client(version)})
	}
	for _, r := range x.readers {
		x.reading.Go(func() { r.run(reads) })
	}
	x.await(ctx, x.patience(), x.all((*reader).settled))
	x.note(func() {
		for _, r := range x.readers {
			r.tardy = !r.settled()
		}
	})
}

// watch lets time go by, to see what is cut. Then it publishes once more.
func (x *exam) watch(ctx context.Context) {
	if x.options.Watch <= 0 {
		return
	}
	x.say(fmt.Sprintf("saying nothing for %v, to see what is cut", x.options.Watch))
	began := time.Now()
	x.await(ctx, x.options.Watch, x.all(func(r *reader) bool { return r.technique == poll || !r.live() }))
	x.report.Watched = Millis(time.Since(began))
	x.note(func() {
		for _, r := range x.readers {
			if r.live() {
				r.quiet()
			}
		}
	})
	x.last(ctx)
}

// finish ends what is still held back by closing the channel, and deletes it.
func (x *exam) finish(ctx context.Context) {
	if x.own && x.kept {
		x.release(ctx)
		x.delete(ctx)
	}
}

// conclude says what was found.
func (x *exam) conclude(ctx context.Context) (*Report, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.readers {
		x.report.Beat = max(x.report.Beat, Millis(r.heartbeat))
		x.report.Rows = append(x.report.Rows, x.judge(r))
	}
	for _, p := range x.posters {
		x.report.Rows = append(x.report.Rows, x.judgePost(p))
	}
	for i := range x.report.Rows {
		if row := &x.report.Rows[i]; row.Result == Silent && slices.Contains(streaming, row.Technique) && x.answers(row.HTTP) {
			row.Result = Buffered // a poll is answered, a response that goes on is not
		}
	}
	x.report.decide()
	return x.report, nil
}

// answers reports whether polls are answered over a version of HTTP.
func (x *exam) answers(version string) bool {
	return slices.ContainsFunc(x.readers, func(r *reader) bool { return r.technique == poll && r.http == version && !r.opened.IsZero() })
}

// errOver ends what is not needed any more.
var errOver = errors.New("the examination is over")
