package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/demo"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/server/config"
	"github.com/pabal/pabal/server/trouble"
)

// graceOfTrouble is how long what goes through trouble has to end by itself,
// once the readers have left.
const graceOfTrouble = time.Second

// development is what a node has in development mode beside the rest: what
// helps to see how it behaves, for who sits at its machine. Its methods do
// nothing on nil, which is a node without.
type development struct {
	handler http.Handler // of /dev and all below
	trouble *trouble.Handler
	match   *demo.Match

	hub     *pabal.Hub
	log     *slog.Logger
	address atomic.Value // string: where this node listens, host:port; set before it serves

	ctx     context.Context // ends when the node begins to stop
	cancel  context.CancelFunc
	running sync.WaitGroup // what runs until then; the node waits for it
}

// devFeatures is what GET /dev answers: what there is.
type devFeatures struct {
	Trouble bool `json:"trouble"`
	Match   bool `json:"match"`
}

// newDevelopment returns what a node that cfg describes has in development
// mode; nil if it is off.
func newDevelopment(cfg *config.Config, hub *pabal.Hub, log *slog.Logger) *development {
	if !cfg.Development() {
		return nil
	}
	d := &development{hub: hub, log: log}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.trouble = trouble.New(d.at, log)
	d.match = demo.New(demo.Config{Hub: hub, Log: log, Refuse: func(w http.ResponseWriter, status int, detail string) {
		problem.Write(w, &problem.Problem{Status: status, Detail: detail})
	}})
	d.handler = d.devHandler(devFeatures{
		Trouble: cfg.Serving.TLSCert == "", // since what is encrypted can be neither buffered nor stripped
		Match:   true,
	})
	return d
}

// devHandler answers /dev and all below.
func (d *development) devHandler(has devFeatures) http.Handler {
	mux := http.NewServeMux()
	// Each part of development mode has a line here, and says in has that it is there.
	mux.Handle("/dev", readOnly(has))
	mux.Handle("/dev/match", d.match)
	mux.Handle("/dev/match/", d.match)
	mux.Handle("/dev/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, problem.NotFound("there is nothing at %.200q; GET /dev says what development mode has", r.URL.Path))
	}))
	return mux
}

func (f devFeatures) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(f) // whoever left needs no answer
}

// of returns the handler of path, if that is in development mode only.
func (d *development) of(path string) (h http.Handler, ok bool) {
	switch {
	case d == nil:
		return nil, false
	case path == "/dev" || strings.HasPrefix(path, "/dev/"):
		return fromHere(d.handler), true
	case trouble.Owns(path): // not by the mux, which would clean the paths that pass through
		return fromHere(d.trouble), true
	}
	return nil, false
}

// fromHere keeps next to this machine. What a proxy sends on is not from it,
// even if the proxy is on it.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !plainAddress(peer.Addr()).IsLoopback() || forwarded(r.Header) {
			problem.Write(w, problem.Forbidden("development mode is for who is on this server's own machine, and not by way of a proxy"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bodies is [bodies] for all but trouble, which bounds the bodies that it
// reads, and passes on those of others.
func (d *development) bodies(next http.Handler) http.Handler {
	checked := bodies(next)
	if d == nil {
		return checked
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if trouble.Owns(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		checked.ServeHTTP(w, r)
	})
}

// serves tells d where its node listens.
func (d *development) serves(address string) {
	if d != nil {
		d.address.Store(address)
		d.running.Go(func() { d.match.Run(d.ctx) })
	}
}

// say says in one line that development mode is on.
func (d *development) say() {
	if d != nil {
		d.log.Info("development mode is on, for this machine only: /dev and /trouble are there; without, start with --dev=off")
	}
}

// at returns where this node listens.
func (d *development) at() string {
	address, _ := d.address.Load().(string)
	return address
}

// stop begins to end d: nothing new begins.
func (d *development) stop() {
	if d != nil {
		d.cancel()
		d.trouble.Stop()
	}
}

// close ends d. What goes through trouble is left to end by itself, for a
// moment and while ctx lasts, so that readers get to know why they had to leave.
func (d *development) close(ctx context.Context) {
	if d == nil {
		return
	}
	d.stop()
	ctx, cancel := context.WithTimeout(ctx, graceOfTrouble)
	defer cancel()
	d.trouble.Close(ctx)
	d.running.Wait()
}
