package chaos

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/live"
)

// A world is a server that is killed and started anew, on the same data and at
// the same address, and the proxies before it.
type world struct {
	binary, dir string
	roots       *x509.CertPool
	ledger      *ledger.Ledger
	story       *story
	routes      []*route
	size        int // readers

	// turn is held while a life's number changes, and for reading by who takes
	// what came from a server: what an earlier one has sent is not taken, as if
	// the network had lost it.
	turn    sync.RWMutex
	number  int // of lives
	address string
	rss     atomic.Int64 // the most that any life had
	shaky   atomic.Int64 // until when (Unix ns) it may be that the server can do nothing

	mu   sync.Mutex
	life *life         // the present one; nil between two
	next chan struct{} // closed when life is set
}

// A life is the time from when a server listens until it is killed.
type life struct {
	*live.Process
	number  int
	tls     bool
	held    chan struct{} // closed when what was kept is known: publishers may go on
	dying   context.Context
	die     context.CancelFunc
	leaving sync.WaitGroup // publishers
}

func (w *world) log() string { return filepath.Join(w.dir, "server.log") }

// present is the number of the present life, or of the last, and whether it
// speaks TLS.
func (w *world) present() (number int, tls bool) {
	w.turn.RLock()
	defer w.turn.RUnlock()
	return w.number, tlsIn(w.number)
}

// tlsIn reports whether the server of a life speaks TLS: each fourth does.
func tlsIn(number int) bool { return number%4 == 3 }

// args alternates the pumps: of four lives, one is served by goroutines, one by
// TLS, and two by the loop.
func (w *world) args(number int) []string {
	args := []string{"serve", "--config", filepath.Join(w.dir, "pabal.yaml"), "--listen", w.address, "--data", filepath.Join(w.dir, "data")}
	pump := "auto"
	if number%4 == 2 {
		pump = "goroutine"
	}
	args = append(args, "--pump", pump)
	if tlsIn(number) {
		args = append(args, "--tls-cert", filepath.Join(w.dir, "cert.pem"), "--tls-key", filepath.Join(w.dir, "key.pem"))
	}
	return args
}

// begin starts the server.
func (w *world) begin(ctx context.Context) (*life, error) {
	w.turn.Lock()
	w.number++
	number := w.number
	if number > 1 {
		w.ledger.Restarted("")
	}
	w.turn.Unlock()
	for tries := 0; ; tries++ {
		p, err := live.Start(w.binary, w.log(), w.args(number)...)
		if err != nil {
			return nil, err
		}
		if err = p.Await(ctx); err == nil {
			return w.admit(p, number), nil
		}
		p.Kill()
		if tries > 20 || !strings.Contains(live.Tail(w.log()), syscall.EADDRINUSE.Error()) {
			return nil, err
		}
		w.address = "127.0.0.1:0" // another has taken the port
	}
}

func (w *world) admit(p *live.Process, number int) *life {
	l := &life{Process: p, number: number, tls: tlsIn(number), held: make(chan struct{})}
	l.dying, l.die = context.WithCancel(context.Background())
	_, w.address, _ = strings.Cut(p.URL(), "://")
	for _, r := range w.routes {
		r.proxy.Target(w.address)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life = l
	close(w.next)
	return l
}

// end kills l and waits until all who publish have left.
func (w *world) end(l *life) error {
	w.mu.Lock()
	w.life, w.next = nil, make(chan struct{})
	w.mu.Unlock()
	select {
	case <-l.Ended:
		l.die()
		return fmt.Errorf("the server has ended by itself: %w", l.Err())
	default:
	}
	if err := w.weigh(l); err != nil {
		return err
	}
	l.Kill()
	l.die()
	return w.leave(l)
}

func (w *world) leave(l *life) error {
	left := make(chan struct{})
	go func() {
		l.leaving.Wait()
		close(left)
	}()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	select {
	case <-left:
		return nil
	case <-late.C:
		return errors.New("a publisher has not noticed within 30 s that the server was killed")
	}
}

// enter waits for a life and has it wait, when it has ended, until [life.leave].
func (w *world) enter(ctx context.Context) (*life, error) {
	for {
		w.mu.Lock()
		l, next := w.life, w.next
		if l != nil {
			l.leaving.Add(1)
		}
		w.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (l *life) leave() { l.leaving.Done() }

// unsettle says that for d from now on the server may have to refuse what it
// else would do.
func (w *world) unsettle(d time.Duration) {
	w.shaky.Store(max(w.shaky.Load(), time.Now().Add(d).UnixNano()))
}

func (w *world) isShaky() bool { return time.Now().UnixNano() < w.shaky.Load() }

// configure writes the configuration.
func (w *world) configure(text string) error {
	return os.WriteFile(filepath.Join(w.dir, "pabal.yaml"), []byte(text), 0o600)
}

// pause waits. It reports false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
