package epoll

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const sendBuffer = 64 << 10

// pair returns a socket that was taken over, and its client.
func pair(t *testing.T, address string) (*Socket, *net.TCPConn) {
	t.Helper()
	c, peer := accepted(t, address)
	s, err := Take(c, sendBuffer)
	if err != nil {
		t.Fatal(err)
	}
	return s, peer
}

// accepted returns both ends of a connection.
func accepted(t *testing.T, address string) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String()) // the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), peer.(*net.TCPConn)
}

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// next waits for one event.
func (p *Poller) next(t *testing.T) Event {
	t.Helper()
	events, err := p.Wait(nil, 10*time.Second)
	if err != nil || len(events) != 1 {
		t.Fatalf("got %+v, %v, want one event", events, err)
	}
	return events[0]
}

// none checks that nothing is ready.
func (p *Poller) none(t *testing.T) {
	t.Helper()
	if events, err := p.Wait(nil, 0); err != nil || len(events) != 0 {
		t.Fatalf("got %+v, %v, want nothing", events, err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// What is taken over leaves nothing behind, and what is closed neither.
func TestTakeLeavesNothing(t *testing.T) {
	newPoller(t)
	goroutines, before := runtime.NumGoroutine(), descriptors(t)
	c, peer := accepted(t, "127.0.0.1:0")
	both := descriptors(t)
	s, err := Take(c, sendBuffer)
	if err != nil {
		t.Fatal(err)
	}
	if got := descriptors(t); got != both {
		t.Errorf("taken over: %d descriptors, want %d", got, both)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection that was taken over: got %v, want that it is closed", err)
	}
	if n, err := s.Write([]byte("hello")); n != 5 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	s.Close()
	if n, err := peer.Read(got); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after Close: %d, %v", n, err)
	}
	peer.Close()
	if got := descriptors(t); got != before {
		t.Errorf("closed: %d descriptors, want %d", got, before)
	}
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("%d goroutines, want %d", got, goroutines)
	}
	if _, err := Take(c, sendBuffer); err == nil {
		t.Error("a connection that is closed can be taken over")
	}
	if got := descriptors(t); got != before {
		t.Errorf("after a failure: %d descriptors, want %d", got, before)
	}
}

// Each time that a socket becomes ready is told once.
func TestReadiness(t *testing.T) {
	p := newPoller(t)
	s, peer := pair(t, "127.0.0.1:0")
	defer s.Close()
	const token = 7<<32 | 9
	if err := p.Add(s, token); err != nil {
		t.Fatal(err)
	}
	if ev := p.next(t); ev != (Event{Token: token, Writable: true}) {
		t.Errorf("at first: %+v", ev)
	}
	p.none(t)
	buf := make([]byte, 100)
	if n, err := s.Read(buf); n != 0 || !errors.Is(err, ErrAgain) {
		t.Errorf("nothing to read: %d, %v", n, err)
	}
	for _, text := range []string{"one", "two"} {
		if _, err := peer.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if ev := p.next(t); ev != (Event{Token: token, Readable: true, Writable: true}) {
			t.Errorf("%s: %+v", text, ev)
		}
		p.none(t)
	}
	if n, err := s.Read(buf); string(buf[:n]) != "onetwo" || err != nil {
		t.Errorf("got %q, %v", buf[:n], err)
	}
	if n, err := s.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
	if n, err := s.Write(nil); n != 0 || err != nil {
		t.Errorf("writing nothing: %d, %v", n, err)
	}
	s.CloseWrite()
	if n, err := peer.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after CloseWrite: %d, %v", n, err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("a write after CloseWrite: %v", err)
	}
}

// A peer that ends its side, or breaks off, is gone.
func TestGone(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(*net.TCPConn) error
		read  error
	}{
		"half":  {(*net.TCPConn).CloseWrite, io.EOF},
		"close": {(*net.TCPConn).Close, io.EOF},
		"reset": {func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }, unix.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPoller(t)
			s, peer := pair(t, "127.0.0.1:0")
			defer s.Close()
			if err := p.Add(s, 1); err != nil {
				t.Fatal(err)
			}
			p.next(t)
			if _, err := peer.Write([]byte("last")); err != nil {
				t.Fatal(err)
			}
			if ev := p.next(t); ev.Gone {
				t.Errorf("before: %+v", ev)
			}
			if err := c.leave(peer); err != nil {
				t.Fatal(err)
			}
			if ev := p.next(t); !ev.Gone || !ev.Readable {
				t.Errorf("after: %+v", ev)
			}
			buf := make([]byte, 10)
			n, err := s.Read(buf)
			if name != "reset" && (string(buf[:n]) != "last" || err != nil) {
				t.Errorf("got %q, %v", buf[:n], err)
			}
			if err == nil { // a reset need not take what came before with it
				_, err = s.Read(buf)
			}
			if !errors.Is(err, c.read) {
				t.Errorf("at the end: %v, want %v", err, c.read)
			}
			if name == "half" {
				if n, err := s.Write([]byte("still there")); n != 11 || err != nil {
					t.Errorf("write: %d, %v", n, err)
				}
			}
		})
	}
}

// What the kernel keeps for a reader that takes nothing is bounded, and when
// there is room again that is told.
func TestFull(t *testing.T) {
	p := newPoller(t)
	s, peer := pair(t, "127.0.0.1:0")
	defer s.Close()
	if err := peer.SetReadBuffer(8 << 10); err != nil {
		t.Fatal(err)
	}
	if err := p.Add(s, 1); err != nil {
		t.Fatal(err)
	}
	p.next(t)
	piece := make([]byte, 16<<10)
	total := 0
	for {
		n, err := s.Write(piece)
		if total += n; errors.Is(err, ErrAgain) {
			break
		}
		if err != nil || total > 1<<20 {
			t.Fatalf("after %d bytes: %v", total, err)
		}
	}
	if total > 512<<10 {
		t.Errorf("%d KiB were taken for a reader that takes nothing", total>>10)
	}
	p.none(t)
	read := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, peer, int64(total))
		read <- err
	}()
	if ev := p.next(t); !ev.Writable {
		t.Errorf("with room again: %+v", ev)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
	if n, err := s.Write(piece); n == 0 || err != nil {
		t.Errorf("with room again: %d, %v", n, err)
	}
}

// Wait waits as long as it is told, or until it is woken, once for any number
// of calls.
func TestWakeAndTimeout(t *testing.T) {
	p := newPoller(t)
	begun := time.Now()
	if events, err := p.Wait(nil, 20*time.Millisecond); len(events) != 0 || err != nil || time.Since(begun) < 20*time.Millisecond {
		t.Errorf("got %v, %v after %v, want nothing after 20ms", events, err, time.Since(begun))
	}
	begun = time.Now()
	if events, err := p.Wait(nil, time.Nanosecond); len(events) != 0 || err != nil || time.Since(begun) > 5*time.Second {
		t.Errorf("got %v, %v after %v", events, err, time.Since(begun))
	}
	for range 100 {
		p.Wake() // before it waits
	}
	given := []Event{{Token: 5}}
	if events, err := p.Wait(given, -1); err != nil || len(events) != 1 || events[0] != given[0] {
		t.Errorf("got %v, %v, want what was given", events, err)
	}
	p.none(t)
	woken := make(chan error)
	go func() {
		_, err := p.Wait(nil, -1)
		woken <- err
	}()
	p.Wake()
	if err := <-woken; err != nil {
		t.Error(err)
	}
	begun = time.Now()
	if _, err := p.Wait(nil, 20*time.Millisecond); err != nil || time.Since(begun) < 20*time.Millisecond {
		t.Errorf("woken once it is woken again: %v after %v", err, time.Since(begun))
	}
}

// More sockets than one Wait tells of are told of by the next.
func TestManyReady(t *testing.T) {
	p := newPoller(t)
	const n = 300
	seen := map[uint64]bool{}
	for i := range n {
		s, _ := pair(t, "127.0.0.1:0")
		defer s.Close()
		if err := p.Add(s, uint64(i)<<31); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		events, err := p.Wait(nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range events {
			if seen[ev.Token] {
				t.Errorf("%x is told twice", ev.Token)
			}
			seen[ev.Token] = true
		}
	}
	if len(seen) != n {
		t.Errorf("told of %d, want %d", len(seen), n)
	}
}

// A socket that is closed is told of no more, also if its number is given
// again.
func TestClosedIsForgotten(t *testing.T) {
	p := newPoller(t)
	s, peer := pair(t, "127.0.0.1:0")
	if err := p.Add(s, 1); err != nil {
		t.Fatal(err)
	}
	p.next(t)
	if err := p.Add(s, 2); err == nil {
		t.Error("a socket was added twice")
	}
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	p.none(t)
}

func TestPeer(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		s, peer := pair(t, address)
		if got, want := s.Peer(), peer.LocalAddr().String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		s.Close()
	}
	// A client of IPv4 at a listener of both.
	c, _ := accepted(t, ":0")
	want := strings.Replace(c.RemoteAddr().String(), "::ffff:", "", 1)
	s, err := Take(c, sendBuffer)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Peer(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	lost, peer := pair(t, "127.0.0.1:0")
	defer lost.Close()
	if err := errors.Join(peer.SetLinger(0), peer.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := lost.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, ErrAgain) {
		t.Fatal(err)
	}
	if got := lost.Peer(); got == "" {
		t.Error("who has left has no name at all")
	}
}

// A socket that is given back is a connection like any other, with what lay
// unread, and nothing is left of the socket.
func TestRelease(t *testing.T) {
	p := newPoller(t)
	s, peer := pair(t, "127.0.0.1:0")
	before := descriptors(t)
	if err := p.Add(s, 1); err != nil {
		t.Fatal(err)
	}
	p.next(t)
	if _, err := peer.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	p.next(t)
	c, err := s.Release()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors, want %d", got, before)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Error(err)
	}
	got := make([]byte, 8)
	if _, err := io.ReadFull(c, got[:6]); err != nil || string(got[:6]) != "unread" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := peer.Write([]byte("and more")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "and more" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, ok := c.(*net.TCPConn); !ok || c.RemoteAddr().String() != peer.LocalAddr().String() {
		t.Errorf("got %T of %v", c, c.RemoteAddr())
	}
	p.none(t)
}

// When there is no descriptor to give a socket back with, it has ended, and its
// number, which is another's then, is left alone: else who has that would be
// closed, or be sent what is not for it. (Found by package chaos, which starves
// a server of descriptors: a reader got the entries of another channel.)
func TestReleaseWithoutDescriptors(t *testing.T) {
	p := newPoller(t)
	s, peer := pair(t, "127.0.0.1:0")
	if err := p.Add(s, 1); err != nil {
		t.Fatal(err)
	}
	number := s.fd
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Release()
	if again := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); again != nil {
		t.Fatal(again)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Fatalf("got %v and %v, want %v", c, err, unix.EMFILE)
	}
	if n, err := peer.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("the client got %d bytes and %v, want an end", n, err)
	}
	other, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, number) // another's, from now on
	if err != nil || other != number {
		t.Fatalf("got descriptor %d and %v, want %d", other, err, number)
	}
	s.Close()
	if _, err := s.Write([]byte("not for you")); !errors.Is(err, unix.EBADF) {
		t.Errorf("write: %v, want %v", err, unix.EBADF)
	}
	if err := unix.Close(other); err != nil {
		t.Errorf("the other was closed: %v", err)
	}
	s, _ = pair(t, "127.0.0.1:0")
	number = s.fd
	s.Close()
	if other, err = unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, number); err != nil || other != number {
		t.Fatalf("got descriptor %d and %v, want %d", other, err, number)
	}
	s.Close()
	if err := unix.Close(other); err != nil {
		t.Errorf("the second Close has closed another: %v", err)
	}
}
