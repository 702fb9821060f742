package trouble

import (
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/proxy"
)

const (
	mostProxies = 16
	unusedFor   = 10 * time.Minute // after which a proxy ends
)

// An entry is a proxy that has a name.
type entry struct {
	proxy  *proxy.Proxy
	faults faults
	used   time.Time // when it was asked for
	open   int       // requests that pass through it
}

var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// set makes the proxy id, or changes its faults.
func (h *Handler) set(id string, f faults) (*entry, error) {
	if e, err := h.change(id, f, nil); e != nil || err != nil {
		return e, err
	}
	fresh, err := proxy.Listen(h.target(), rand.Uint64())
	if err != nil {
		return nil, err
	}
	e, err := h.change(id, f, fresh)
	if err != nil || e.proxy != fresh { // somebody was faster
		_ = fresh.Close() // nobody knows it
	}
	return e, err
}

// change changes the faults of the proxy id. If there is none, it becomes fresh;
// without fresh, the entry is nil.
func (h *Handler) change(id string, f faults, fresh *proxy.Proxy) (*entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.proxies[id]
	switch {
	case h.stopped:
		return nil, errStopped
	case ok:
	case len(h.proxies) >= mostProxies:
		return nil, problem.Unavailable(unusedFor, "there are %d proxies, which is the most; end one with DELETE, or wait: one that is not used for %v ends", mostProxies, unusedFor)
	case fresh == nil:
		return nil, nil
	default:
		e = &entry{proxy: fresh}
		h.proxies[id] = e
		h.sweep.Do(func() { h.running.Go(h.sweeps) })
	}
	e.faults, e.used = f, time.Now()
	e.proxy.Set(f.ofProxy())
	return e, nil
}

// use returns the proxy id, which is not unused then.
func (h *Handler) use(id string) (*entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.proxies[id]
	if !ok {
		return nil, noProxy(id)
	}
	e.used = time.Now()
	return e, nil
}

func noProxy(id string) error {
	return problem.NotFound(`there is no proxy %.64q, or not any more, as one that is not used for %v ends; make it with PUT /trouble/%.64s and a body as {"delayMs":200}`, id, unusedFor, id)
}

// end ends the proxy id.
func (h *Handler) end(id string) error {
	h.mu.Lock()
	e, ok := h.proxies[id]
	delete(h.proxies, id)
	h.mu.Unlock()
	if !ok {
		return noProxy(id)
	}
	return e.proxy.Close()
}

// sweeps ends what is not used, until h is stopped.
func (h *Handler) sweeps() {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h.endUnused(now)
		case <-h.stop:
			return
		}
	}
}

// endUnused ends the proxies that were not used for some time before now.
func (h *Handler) endUnused(now time.Time) {
	h.mu.Lock()
	var unused []*entry
	for id, e := range h.proxies {
		if e.open == 0 && now.Sub(e.used) >= unusedFor {
			unused = append(unused, e)
			delete(h.proxies, id)
		}
	}
	h.mu.Unlock()
	for _, e := range unused {
		_ = e.proxy.Close() // it has no connection that would notice
	}
}
