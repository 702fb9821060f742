package netsim

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Box is what stands between hosts and a server of HTTP/1.1. Its zero value
// passes everything on as it comes.
type Box struct {
	Buffer    int           // bytes of a response that are held back until they are that many, or its end; 0: none
	Age       time.Duration // at which each connection to it is reset; 0: never
	NoUpgrade bool          // takes Upgrade out of requests
}

// Serve has b listen on address and pass requests on to the server at
// upstream, over connections that h makes. It goes on until stop is called,
// which returns when nothing is left of it.
func (b Box) Serve(h *Host, address, upstream string) (stop func(), err error) {
	l, err := h.network.Listen(address)
	if err != nil {
		return nil, err
	}
	p := &proxy{box: b, upstream: upstream, host: h}
	p.transport = &http.Transport{DialContext: h.DialContext, DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}
	base, end := context.WithCancel(context.Background())
	server := &http.Server{
		ErrorLog:    log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return base },
		Handler:     p,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(&aging{l, b.Age}) // until it is closed
	}()
	return func() {
		end()
		_ = server.Close() // never fails here
		l.Kill()           // also those that were taken over
		<-served
		p.open.Wait()
		p.transport.CloseIdleConnections()
	}, nil
}

// A proxy passes on. It is not net/http's, which holds a mutex while it
// writes: in a bubble time would stand still until it has.
type proxy struct {
	box       Box
	upstream  string
	host      *Host
	transport *http.Transport
	open      sync.WaitGroup
}

// hops are the headers that are of one connection.
var hops = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// ServeHTTP implements [http.Handler].
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.open.Add(1)
	defer p.open.Done()
	upgrade := r.Header.Get("Upgrade")
	out := r.Clone(r.Context())
	out.RequestURI, out.Close = "", false
	out.URL.Scheme, out.URL.Host = "http", p.upstream
	for _, name := range hops {
		out.Header.Del(name)
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // or the transport would say its own
	}
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	out.Header.Add("X-Forwarded-For", from)
	if upgrade != "" && !p.box.NoUpgrade {
		p.upgrade(w, out, upgrade)
		return
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	p.answer(w, resp)
}

// answer passes a response on. One that breaks off breaks off.
func (p *proxy) answer(w http.ResponseWriter, resp *http.Response) {
	for _, name := range hops {
		resp.Header.Del(name)
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	rc := http.NewResponseController(w)
	if p.box.Buffer == 0 && rc.Flush() != nil { // so that a head is not held back
		panic(http.ErrAbortHandler)
	}
	held, part := []byte(nil), make([]byte, 4096)
	for {
		n, err := resp.Body.Read(part)
		held = append(held, part[:n]...)
		if len(held) > 0 && (len(held) >= p.box.Buffer || err != nil) {
			_, broke := w.Write(held)
			if broke == nil {
				broke = rc.Flush()
			}
			if held = held[:0]; broke != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// upgrade passes a request on over a connection of its own, and then whatever
// comes, both ways.
func (p *proxy) upgrade(w http.ResponseWriter, out *http.Request, to string) {
	out.Header.Set("Connection", "Upgrade")
	out.Header.Set("Upgrade", to)
	t := &http.Transport{DialContext: p.host.DialContext, DisableCompression: true}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		p.answer(w, resp)
		return
	}
	there := resp.Body.(io.ReadWriteCloser) // as net/http promises
	here, early, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer here.Close()
	resp.Body = nil
	if resp.Write(here) != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() {
		_, _ = io.Copy(there, early) // until either is closed
		done <- struct{}{}
	}()
	go func() {
		_, _ = io.Copy(here, there)
		done <- struct{}{}
	}()
	<-done
	_ = there.Close()
	_ = here.Close()
	<-done
}

// An aging listener resets each connection at an age.
type aging struct {
	*Listener
	age time.Duration
}

func (a *aging) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil || a.age == 0 {
		return c, err
	}
	timer := time.AfterFunc(a.age, c.(*Conn).Cut)
	return &agingConn{c.(*Conn), timer}, nil
}

type agingConn struct {
	*Conn
	timer *time.Timer
}

// Close implements [net.Conn].
func (c *agingConn) Close() error {
	c.timer.Stop()
	return c.Conn.Close()
}
