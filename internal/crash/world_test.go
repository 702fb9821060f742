package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pabal/pabal/internal/live"
)

// A world is a server that is killed and started anew, on the same data and at
// the same address.
type world struct {
	binary, dir string
	random      *rand.Rand
	address     string // where to listen
	kills       int

	mu   sync.Mutex
	life *life         // the present one; nil between two
	next chan struct{} // closed when life is set
}

// A life is the time from when a server listens until it is killed.
type life struct {
	*live.Process
	held    chan struct{} // closed when what was kept is known: publishers may go on
	dying   chan struct{} // closed just before it is killed, or stopped
	leaving sync.WaitGroup
}

func newWorld(binary, dir string, seed uint64) *world {
	return &world{
		binary: binary, dir: dir, random: rand.New(rand.NewPCG(seed, 0)), address: "127.0.0.1:0", next: make(chan struct{}),
	}
}

func (w *world) log() string { return filepath.Join(w.dir, "server.log") }

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

func (l *life) isDying() bool {
	select {
	case <-l.dying:
		return true
	default:
		return false
	}
}

// pause waits. It reports false if l ends, or ctx does.
func (l *life) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.dying:
	case <-ctx.Done():
	}
	return false
}

// until waits for l to end, or ctx.
func (l *life) until(ctx context.Context, news <-chan struct{}) bool {
	select {
	case <-news:
		return true
	case <-l.dying:
	case <-ctx.Done():
	}
	return false
}

func (w *world) args() []string {
	return []string{
		"serve", "--config", filepath.Join(w.dir, "pabal.yaml"), "--listen", w.address,
		"--data", filepath.Join(w.dir, "data"), "--pump", []string{"auto", "goroutine"}[w.random.IntN(2)],
	}
}

// begin starts the server, sometimes only after it was killed while it began.
func (w *world) begin(ctx context.Context) (*life, error) {
	for tries := 0; ; tries++ {
		p, err := live.Start(w.binary, w.log(), w.args()...)
		if err != nil {
			return nil, err
		}
		if w.random.IntN(12) == 0 {
			w.pause(p, 60)
			p.Kill()
			w.kills++
			continue
		}
		if err = p.Await(ctx); err == nil {
			return w.admit(p), nil
		}
		p.Kill()
		if tries > 20 || !strings.Contains(live.Tail(w.log()), syscall.EADDRINUSE.Error()) {
			return nil, err
		}
		w.address = "127.0.0.1:0" // another has taken the port
	}
}

// pause waits for a moment of at most most ms, or until p has ended.
func (w *world) pause(p *live.Process, most int) {
	select {
	case <-time.After(time.Duration(w.random.IntN(most*1000)) * time.Microsecond):
	case <-p.Ended:
	}
}

func (w *world) admit(p *live.Process) *life {
	l := &life{Process: p, held: make(chan struct{}), dying: make(chan struct{})}
	w.address = strings.TrimPrefix(p.URL(), "http://")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life = l
	close(w.next)
	return l
}

// How a life ends. What is more is a kill too.
const (
	stop = iota // as the server likes
	both        // killed while it stops
	kill
)

// end ends l and waits until all who were in it have left.
func (w *world) end(l *life, how int) error {
	w.mu.Lock()
	w.life, w.next = nil, make(chan struct{})
	w.mu.Unlock()
	close(l.dying)
	select {
	case <-l.Ended:
		return fmt.Errorf("the server has ended by itself: %w", l.Err())
	default:
	}
	if how == stop {
		if err := l.Stop(); err != nil {
			return fmt.Errorf("stopped: %w", err)
		}
	} else {
		if how == both {
			if err := l.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			w.pause(l.Process, 150)
		}
		l.Kill()
		w.kills++
	}
	left := make(chan struct{})
	go func() {
		l.leaving.Wait()
		close(left)
	}()
	select {
	case <-left:
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("a client has not noticed within 30 s that the server was killed")
	}
}

// configure writes the configuration.
func (w *world) configure(text string) error {
	return os.WriteFile(filepath.Join(w.dir, "pabal.yaml"), []byte(text), 0o600)
}
