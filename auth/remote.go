package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	fetchTime  = 5 * time.Second // how long reading the keys may take
	retryAfter = time.Minute     // how soon it is tried again after a failure, if that is before the next time
	keepKeys   = 24 * time.Hour  // how long keys count that could not be read again
	redirects  = 3
)

// remote are the keys at a URL. They are read now and then, and when a token
// names one that is not known. While they cannot be read, those known still
// count, for a day.
type remote struct {
	auth   *Authenticator
	url    string
	shown  string // for the log, without a password
	client *http.Client
	own    []key // that are not from the URL

	mu     sync.Mutex
	begun  time.Time     // when they were last read, or tried to be
	ended  chan struct{} // closed when the read under way is over; nil if none is
	failed bool          // the last one did

	// Only a read under way uses these.
	life context.Context
	text []byte // as they were read
	read time.Time
}

func newRemote(ctx context.Context, a *Authenticator, own []key) (*remote, error) {
	u, err := url.Parse(a.cfg.JWKS)
	if err != nil || u.Host == "" || !safe(u) {
		return nil, fmt.Errorf("%.200q is no URL for keys: write it as https://…, or http://… on this machine only, or anybody between could put in theirs", a.cfg.JWKS)
	}
	client := a.cfg.Client
	if client == nil {
		client = &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > redirects || !safe(r.URL) {
				return fmt.Errorf("it redirects to %.200s, or too often", r.URL)
			}
			return nil
		}}
	}
	r := &remote{auth: a, url: a.cfg.JWKS, shown: u.Redacted(), client: client, own: own, life: ctx}
	a.keys.Store(&keyset{keys: own, lacking: true})
	return r, nil
}

// safe reports whether what is read from u is from who is named there.
func safe(u *url.URL) bool {
	if u.Scheme != "http" {
		return u.Scheme == "https"
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// run reads the keys again and again until ctx ends.
func (r *remote) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r.mu.Lock()
		wait := r.auth.cfg.Refresh
		if r.failed {
			wait = max(min(wait, retryAfter), r.auth.cfg.Refetch)
		}
		timer.Reset(time.Until(r.begun.Add(wait)))
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			r.mu.Lock()
			due := time.Since(r.begun) >= wait // unless a token had them read meanwhile
			r.mu.Unlock()
			if due {
				r.refresh(ctx)
			}
		}
	}
}

// refresh has the keys read unless they just were, and returns when that is
// over, or ctx.
func (r *remote) refresh(ctx context.Context) {
	r.mu.Lock()
	if r.life.Err() != nil {
		r.mu.Unlock()
		return
	}
	if r.ended == nil {
		if !r.begun.IsZero() && time.Since(r.begun) < r.auth.cfg.Refetch {
			r.mu.Unlock()
			return
		}
		r.begun, r.ended = time.Now(), make(chan struct{})
		r.auth.running.Go(r.fetch)
	}
	ended := r.ended
	r.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// fetch reads the keys, and says that it is over. One runs at a time.
func (r *remote) fetch() {
	ctx, cancel := context.WithTimeout(r.life, fetchTime)
	defer cancel()
	err := r.take(ctx)
	if err != nil && r.life.Err() == nil {
		old := r.auth.keys.Load()
		late := !old.lacking && time.Since(r.read) > keepKeys
		if late {
			r.text = nil
			r.auth.keys.Store(&keyset{keys: r.own, lacking: true})
		}
		r.auth.cfg.Log.Warn("the keys that sign tokens cannot be read; those known count for a day", "url", r.shown, "error", err, "known", len(old.keys)-len(r.own), "forgotten", late)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.ended)
	r.ended, r.failed = nil, err != nil
}

// take reads the keys, and has them count. What was checked by keys that have
// not changed need not be checked again.
func (r *remote) take(ctx context.Context) error {
	text, err := r.get(ctx)
	if err != nil {
		return err
	}
	if bytes.Equal(text, r.text) {
		r.read = time.Now()
		return nil
	}
	keys, err := parseSet(text, false)
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("there is no key in the set for %s", algorithms)
	}
	if err != nil {
		return err
	}
	r.text, r.read = text, time.Now()
	r.auth.keys.Store(&keyset{keys: slices.Concat(r.own, keys)})
	return nil
}

func (r *remote) get(ctx context.Context) (text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		if e, ok := errors.AsType[*net.OpError](err); ok {
			err = e // the URL is told beside it
		}
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	text, err = io.ReadAll(io.LimitReader(response.Body, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("the answer has more than %d bytes", maxKeyFile)
	}
	return text, err
}
