package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/internal/eventsource"
	"github.com/pabal/pabal/internal/readers"
)

// byTechnique reads Pabal by one technique, straight from the wire. When a
// response ends or breaks or is silent, it asks again after a short pause, at
// its cursor.
func byTechnique(name string) func(context.Context, *audience) error {
	technique := readers.Named(name)
	return func(ctx context.Context, a *audience) error {
		a.each(ctx, func(ctx context.Context, r *reader) { r.follow(ctx, technique) })
		return nil
	}
}

func (r *reader) follow(ctx context.Context, technique *readers.Technique) {
	place := readers.NewPlace(r.channel)
	place.MayLose = true
	target := readers.Target{URL: r.url, Client: r.client(true), Channels: place.Channels, Since: "now", Pause: pollPause, Query: url.Values{}}
	defer target.Client.CloseIdleConnections()
	if technique.Answers && technique.Name != "poll" {
		target.Query.Set("wait", "2")
	}
	var again patience
	for ctx.Err() == nil {
		var mark readers.Mark
		target.Cursors, mark = place.Cursors(false)
		place.Begin(mark)
		if r.response(ctx, technique, place, target) {
			again.reset()
		}
		again.pause(ctx, r)
	}
}

// pollPause is between the polls of one reader.
const pollPause = 200 * time.Millisecond

// response reads one response; by polls, until an answer fails. It reports
// whether anything came.
func (r *reader) response(ctx context.Context, technique *readers.Technique, place *readers.Place, target readers.Target) (came bool) {
	for it, err := range technique.Read(ctx, &target) {
		if err != nil {
			if refused := refusal(err); refused > 0 && refused < 500 && !technique.Socket { // what a WebSocket gets without Upgrade
				r.strange(err.Error())
			}
			return came
		}
		came = true
		r.live()
		switch it.Notice {
		case "":
			r.got(string(it.Data))
		case "$gap", "$reset":
			r.told(it.Notice + " " + it.Reason)
		}
		if _, err := place.Take(it); err != nil {
			r.strange(err.Error())
		}
	}
	return came
}

// refusal is the status of a refusal, which may be said with another; or 0.
func refusal(err error) int {
	var refused *readers.StatusError
	if !errors.As(err, &refused) {
		return 0
	}
	if p, ok := refused.Problem(); ok {
		return p.Status
	}
	return refused.Status
}

// byEventSource reads server-sent events as a browser does: without a
// watchdog, and with the pauses that the server, or the standard, says.
func byEventSource(path string) func(context.Context, *audience) error {
	return func(ctx context.Context, a *audience) error {
		a.each(ctx, func(ctx context.Context, r *reader) {
			s := &eventsource.Source{URL: r.url + path + r.channel, Client: r.client(false), Opened: r.live}
			if path == pabalEvents {
				s.URL += "?via=sse&since=now"
			}
			defer s.Client.CloseIdleConnections()
			for e, err := range s.Events(ctx) {
				switch {
				case err != nil:
					r.strange(err.Error())
				case e.Type == "message":
					r.got(e.Data)
				case e.Type == "$gap", e.Type == "$reset":
					r.told(e.Type)
				}
			}
		})
		return nil
	}
}

const pabalEvents = "/channels/"

// byClient reads with the Go client, which chooses its technique by itself.
func byClient(ctx context.Context, a *audience) error {
	a.each(ctx, func(ctx context.Context, r *reader) {
		r.hop(ctx, func() (string, time.Duration) { return "auto", time.Hour })
	})
	return nil
}

// byHopping reads with the Go client, by another technique every second.
func byHopping(ctx context.Context, a *audience) error {
	a.each(ctx, func(ctx context.Context, r *reader) {
		techniques := client.Techniques()
		r.hop(ctx, func() (string, time.Duration) {
			return techniques[r.random.IntN(len(techniques))], r.between(500*time.Millisecond, 1500*time.Millisecond)
		})
	})
	return nil
}

// hop reads by one subscription after the other; each goes on where the last
// stood.
func (r *reader) hop(ctx context.Context, next func() (via string, stay time.Duration)) {
	c := &client.Client{URL: r.url, HTTP: r.client(false), MaxWait: time.Second}
	defer c.HTTP.CloseIdleConnections()
	o := client.Options{Channels: []pabal.Channel{pabal.Channel(r.channel)}, Since: "now"}
	for ctx.Err() == nil {
		via, stay := next()
		o.Via, o.Every = via, 0
		if via == "poll" {
			o.Every = pollPause
		}
		s := c.Subscribe(o)
		leg, leave := context.WithTimeout(ctx, stay)
		r.events(leg, s)
		leave()
		if at := s.Cursors(); len(at) > 0 {
			o.Cursors = at
			r.live() // poll and long poll say nothing when they begin
		}
	}
}

func (r *reader) events(ctx context.Context, s *client.Subscription) {
	for e, err := range s.Events(ctx) {
		switch {
		case ctx.Err() != nil && err != nil, status(err) == http.StatusUpgradeRequired: // it is time for another
		case err != nil:
			r.strange(err.Error())
		case e.Entry != nil:
			r.live()
			r.got(string(e.Entry.Data))
		case e.Notice.Kind == "$gap", e.Notice.Kind == "$reset":
			r.told(string(e.Notice.Kind) + " " + string(e.Notice.Reason))
		default:
			r.live()
		}
	}
}

// status is that of a refusal, or 0.
func status(err error) int {
	var refused *client.Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}
