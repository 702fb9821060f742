package brokertest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// A broken broker breaks a promise by what it does instead of one of its
// methods; nil is what the broker under it does.
type broken struct {
	pabal.Broker
	append func(ctx context.Context, b pabal.Broker, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error)
	read   func(ctx context.Context, b pabal.Broker, ch pabal.Channel, q pabal.Query) (pabal.Page, error)
	tail   func(ctx context.Context, b pabal.Broker, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error)
	delete func(ctx context.Context, b pabal.Broker, ch pabal.Channel) error
	list   func(ctx context.Context, b pabal.Lister, prefix string, after pabal.Channel, limit int) ([]pabal.Channel, error)
	bound  func(o *Options) // what it is opened with
	reopen func(b *memory.Broker, lose func(pabal.Channel) int) *memory.Broker
}

func (b broken) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	if b.append == nil {
		return b.Broker.Append(ctx, ch, p)
	}
	return b.append(ctx, b.Broker, ch, p)
}

func (b broken) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	if b.read == nil {
		return b.Broker.Read(ctx, ch, q)
	}
	return b.read(ctx, b.Broker, ch, q)
}

func (b broken) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
	if b.tail == nil {
		return b.Broker.Tail(ctx, ch, fn)
	}
	return b.tail(ctx, b.Broker, ch, fn)
}

func (b broken) Delete(ctx context.Context, ch pabal.Channel) error {
	if b.delete == nil {
		return b.Broker.Delete(ctx, ch)
	}
	return b.delete(ctx, b.Broker, ch)
}

func (b broken) Channels(ctx context.Context, prefix string, after pabal.Channel, limit int) ([]pabal.Channel, error) {
	lister := b.Broker.(pabal.Lister)
	if b.list == nil {
		return lister.Channels(ctx, prefix, after, limit)
	}
	return b.list(ctx, lister, prefix, after, limit)
}

// Lossless says what the broker under it says.
func (b broken) Lossless() bool { return true }

// publishes breaks what is appended before it is.
func publishes(change func(p *pabal.Publish)) broken {
	return broken{append: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
		p.Messages = slices.Clone(p.Messages)
		change(&p)
		return b.Append(ctx, ch, p)
	}}
}

// answers breaks what an append is answered with.
func answers(change func(done *pabal.Appended, err *error)) broken {
	return broken{append: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
		done, err := b.Append(ctx, ch, p)
		done.Positions = slices.Clone(done.Positions)
		change(&done, &err)
		return done, err
	}}
}

// asks breaks what is read, before it is.
func asks(change func(q *pabal.Query)) broken {
	return broken{read: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
		change(&q)
		return b.Read(ctx, ch, q)
	}}
}

// pages breaks what was read.
func pages(change func(q pabal.Query, p *pabal.Page)) broken {
	return broken{read: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
		p, err := b.Read(ctx, ch, q)
		for i, e := range p.Entries {
			p.Entries[i] = e.Copy()
		}
		change(q, &p)
		return p, err
	}}
}

// opens is a broker that is opened with other bounds.
func opens(change func(o *Options)) broken { return broken{bound: change} }

// A breach is one way to break promises, and the test that must find it.
type breach struct {
	broken
	found string
}

// breaches are by what a broker does wrong.
var breaches = map[string]breach{
	"keeps a repeat again": {publishes(func(p *pabal.Publish) {
		p.BatchID = ""
		for i := range p.Messages {
			p.Messages[i].ID = ""
		}
	}), "once/a repeat"},
	"does not name batches": {publishes(func(p *pabal.Publish) { p.BatchID = "" }), "batch/its id"},
	"keeps half of a batch": {publishes(func(p *pabal.Publish) { p.Messages = p.Messages[:(len(p.Messages)+1)/2] }), "batch/whole or not at all"},
	"has no conditions":     {publishes(func(p *pabal.Publish) { p.If = nil }), "if/the end"},
	"does not close":        {publishes(func(p *pabal.Publish) { p.Close = false }), "close/alone"},
	"closes without what came with it": {publishes(func(p *pabal.Publish) {
		if p.Close {
			p.Messages = nil
		}
	}), "close/after the messages"},
	"publishes nothing": broken{append: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, _ pabal.Publish) (pabal.Appended, error) {
		page, err := b.Read(ctx, ch, pabal.Query{MaxEntries: 1, MaxBytes: 1})
		return pabal.Appended{End: page.End}, err
	}}.foundBy("batch/nothing"),
	"loses a field": {publishes(func(p *pabal.Publish) {
		for i := range p.Messages {
			p.Messages[i].ContentType = ""
		}
	}), "order/messages come back whole"},
	"mixes channels": broken{append: func(ctx context.Context, b pabal.Broker, _ pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
		return b.Append(ctx, "chat/one", p)
	}}.foundBy("order/the list of channels"),
	"does not call a repeat one":  {answers(func(done *pabal.Appended, _ *error) { done.Duplicate = false }), "once/a repeat"},
	"calls all repeats":           {answers(func(done *pabal.Appended, _ *error) { done.Duplicate = true }), "once/concurrent repeats"},
	"says another end":            {answers(func(done *pabal.Appended, _ *error) { done.End.Offset++ }), "once/a repeat"},
	"says another place":          {answers(moveLast), "order/concurrent publishers"},
	"refuses with another error":  {answers(func(_ *pabal.Appended, err *error) { *err = otherwise(*err) }), "once/another content"},
	"says that all went well":     {answers(func(_ *pabal.Appended, err *error) { *err = nil }), "once/another content"},
	"reads one more than asked":   {asks(func(q *pabal.Query) { q.MaxEntries++ }), "read/pages by number"},
	"reads any number of bytes":   {asks(func(q *pabal.Query) { q.MaxBytes = 1 << 30 }), "read/pages by bytes"},
	"reads all from anywhere":     {asks(func(q *pabal.Query) { q.From = pabal.FromAll() }), "read/starts"},
	"does not know of latest":     {asks(func(q *pabal.Query) { q.Latest = false }), "latest/of each key"},
	"reads the oldest before":     {asks(readForward), "read/backward"},
	"reads in another order":      {pages(func(_ pabal.Query, p *pabal.Page) { slices.Reverse(p.Entries) }), "order/concurrent publishers"},
	"loses in the midst":          {pages(loseSecond), "order/concurrent publishers"},
	"says nothing of losses":      {pages(func(_ pabal.Query, p *pabal.Page) { p.Lost = nil }), "delete/who reads is told"},
	"tells all of losses":         {pages(func(_ pabal.Query, p *pabal.Page) { p.Lost = &pabal.Gap{To: p.Start, Reason: pabal.Trimmed} }), "order/a name never written"},
	"gives another reason":        {pages(otherReason), "read/an unknown epoch"},
	"tells of another reader":     {pages(otherReader), "retention/entries"},
	"always has more":             {pages(func(_ pabal.Query, p *pabal.Page) { p.More = true }), "order/a name never written"},
	"never has more":              {pages(func(_ pabal.Query, p *pabal.Page) { p.More = false }), "read/pages by number"},
	"never says closed":           {pages(func(_ pabal.Query, p *pabal.Page) { p.Closed = false }), "close/alone"},
	"always says closed":          {pages(func(_ pabal.Query, p *pabal.Page) { p.Closed = true }), "order/a name never written"},
	"does not count what it left": {pages(func(_ pabal.Query, p *pabal.Page) { p.Skipped = 0 }), "latest/of each key"},
	"leaves out and says so":      {pages(func(_ pabal.Query, p *pabal.Page) { p.Skipped++ }), "order/a name never written"},
	"has another Prev":            {pages(eachEntry(func(i int, e *pabal.Entry) { e.Prev -= pabal.Offset(min(i, 1)) })), "order/concurrent publishers"},
	"has another channel":         {pages(eachEntry(func(_ int, e *pabal.Entry) { e.Channel = "other" })), "order/concurrent publishers"},
	"has times that go back":      {pages(eachEntry(func(i int, e *pabal.Entry) { e.Time = e.Time.Add(-time.Duration(i)) })), "read/pages by number"},
	"has no times":                {pages(eachEntry(func(_ int, e *pabal.Entry) { e.Time = time.Time{} })), "order/messages come back whole"},
	"starts elsewhere":            {pages(func(_ pabal.Query, p *pabal.Page) { p.Start.Offset++ }), "order/a name never written"},
	"says another first":          {pages(func(_ pabal.Query, p *pabal.Page) { p.First = p.End }), "retention/entries"},
	"says another end when read":  {pages(func(_ pabal.Query, p *pabal.Page) { p.End = p.Start }), "read/starts"},
	"has no epoch":                {pages(func(_ pabal.Query, p *pabal.Page) { p.End.Epoch, p.First.Epoch, p.Start.Epoch = 0, 0, 0 }), "order/a name never written"},

	"does not delete": broken{delete: func(context.Context, pabal.Broker, pabal.Channel) error { return nil }}.foundBy("delete/who reads is told"),
	"closes to delete": broken{delete: func(ctx context.Context, b pabal.Broker, ch pabal.Channel) error {
		_, err := b.Append(ctx, ch, pabal.Publish{Close: true})
		return errors.Join(err, nil)
	}}.foundBy("delete/opens what was closed"),
	"goes on without a context": broken{
		append: func(_ context.Context, b pabal.Broker, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
			return b.Append(context.Background(), ch, p)
		},
		read: func(_ context.Context, b pabal.Broker, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
			return b.Read(context.Background(), ch, q)
		},
	}.foundBy("order/a context that ended"),

	"tells tails nothing": broken{tail: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, _ func(*pabal.Entry)) (pabal.Position, error) {
		return b.Tail(ctx, ch, func(*pabal.Entry) {})
	}}.foundBy("tail/what follows the end"),
	"tells tails of no change": broken{tail: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
		return b.Tail(ctx, ch, func(e *pabal.Entry) {
			if e != nil {
				fn(e)
			}
		})
	}}.foundBy("tail/closed and deleted"),
	"follows from elsewhere": broken{tail: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
		end, err := b.Tail(ctx, ch, fn)
		end.Offset++
		return end, err
	}}.foundBy("tail/what follows the end"),
	"follows for ever": broken{tail: func(ctx context.Context, b pabal.Broker, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
		return b.Tail(context.WithoutCancel(ctx), ch, fn)
	}}.foundBy("tail/until its context ends"),

	"comes back as another": broken{reopen: func(b *memory.Broker, _ func(pabal.Channel) int) *memory.Broker {
		_ = b.Close()
		return memory.New(memory.Config{})
	}}.foundBy("restart/nothing lost"),
	"comes back with what it lost": broken{reopen: func(b *memory.Broker, _ func(pabal.Channel) int) *memory.Broker {
		return b.Reopen(nil)
	}}.foundBy("restart/lost entries"),

	"lists any number": broken{list: func(ctx context.Context, b pabal.Lister, prefix string, after pabal.Channel, _ int) ([]pabal.Channel, error) {
		return b.Channels(ctx, prefix, after, 1000)
	}}.foundBy("order/the list of channels"),

	"keeps any number":            {opens(func(o *Options) { o.Entries = 0 }), "retention/entries"},
	"keeps any number of bytes":   {opens(func(o *Options) { o.Bytes = 0 }), "retention/bytes"},
	"keeps for ever":              {opens(func(o *Options) { o.Age = 0 }), "retention/age"},
	"keeps no last entries":       {opens(func(o *Options) { o.Latest = false }), "latest/beyond the bounds"},
	"keeps any number of keys":    {opens(func(o *Options) { o.Keys = 0 }), "latest/keys"},
	"closes nothing by itself":    {opens(func(o *Options) { o.CloseAfter = 0 }), "close/after a time without a publish"},
	"remembers any number":        {opens(func(o *Options) { o.Channels = 0 }), "retention/channels"},
	"knows IDs for ever":          {opens(func(o *Options) { o.IDWindow = 1000 * time.Hour }), "once/the window in time"},
	"knows any number of IDs":     {opens(func(o *Options) { o.IDs = 0 }), "once/the window in number"},
	"has no namespaces":           {opens(func(o *Options) { o.Namespace = nil }), "once/the window of a namespace"},
	"has one namespace a channel": {opens(func(o *Options) { o.Namespace = func(ch pabal.Channel) string { return string(ch) } }), "once/the window of a namespace"},
	"knows the last ID only":      {opens(func(o *Options) { o.IDs = 1 }), "batch/some ids known"},
}

func (b broken) foundBy(name string) breach { return breach{b, name} }

func moveLast(done *pabal.Appended, _ *error) {
	if n := len(done.Positions); n > 0 {
		done.Positions[n-1].Offset++
		done.End = done.Positions[n-1]
	}
}

func otherwise(err error) error {
	if err != nil {
		return errors.New("it did not work")
	}
	return nil
}

func readForward(q *pabal.Query) {
	if _, before := q.From.Before(); before {
		q.From = pabal.FromAll()
	}
}

func loseSecond(_ pabal.Query, p *pabal.Page) {
	if len(p.Entries) > 2 {
		p.Entries = slices.Delete(p.Entries, 1, 2)
	}
}

func otherReason(_ pabal.Query, p *pabal.Page) {
	if p.Lost != nil {
		lost := *p.Lost
		p.Lost, lost.Reason = &lost, pabal.Damaged
	}
}

func otherReader(_ pabal.Query, p *pabal.Page) {
	if p.Lost != nil {
		lost := *p.Lost
		p.Lost, lost.From = &lost, lost.To
	}
}

func eachEntry(change func(i int, e *pabal.Entry)) func(pabal.Query, *pabal.Page) {
	return func(_ pabal.Query, p *pabal.Page) {
		for i, e := range p.Entries {
			change(i, e)
		}
	}
}
