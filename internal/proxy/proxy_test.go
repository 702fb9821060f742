package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server that does handle with each connection, and a proxy to it.
func serve(t *testing.T, f Faults, handle func(*net.TCPConn)) *Proxy {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.AcceptTCP()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	p, err := Listen(l.Addr().String(), 7)
	if err != nil {
		t.Fatal(err)
	}
	p.Set(f)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		l.Close()
		running.Wait()
	})
	return p
}

func dial(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func echo(conn *net.TCPConn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.CloseWrite()
}

// hold takes what comes until the connection ends.
func hold(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) }

// flood writes records of 100 bytes until the connection ends.
func flood(conn *net.TCPConn) { _ = floods(conn) }

func floods(conn *net.TCPConn) error {
	record := append(bytes.Repeat([]byte("x"), 99), '\n')
	for {
		if _, err := conn.Write(record); err != nil {
			return err
		}
	}
}

// silence says that nothing comes for a while.
func silence(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := conn.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes and %v, want nothing to come", n, err)
	}
	_ = conn.SetReadDeadline(time.Time{})
}

// wantReset reads conn to its end, which must be a reset.
func wantReset(t *testing.T, conn *net.TCPConn) []byte {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, err := io.ReadAll(conn)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("after %d bytes: %v, want a reset", len(got), err)
	}
	return got
}

// dialed dials and reads to the end, which must be a reset. That may come before
// the dialer knows that it is connected.
func dialed(t *testing.T, p *Proxy) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return wantReset(t, conn.(*net.TCPConn))
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// Without faults, and with those that only slow down, bytes pass unchanged in
// both directions, and so does the end of each.
func TestUnchanged(t *testing.T) {
	for name, f := range map[string]Faults{
		"plain":      {},
		"delay":      {Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond},
		"bandwidth":  {Bandwidth: 4 << 20},
		"buffer":     {Buffer: 4096}, // not HTTP
		"strip":      {StripUpgrade: true},
		"all":        {Jitter: 5 * time.Millisecond, Bandwidth: 4 << 20, Buffer: 4096, StripUpgrade: true},
		"never cuts": {Life: time.Hour, MaxLife: time.Hour, CutBytes: 1 << 50, HalfOpen: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, f, echo)
			conn := dial(t, p)
			sent := noise(1 << 20)
			var writing sync.WaitGroup
			defer writing.Wait()
			writing.Go(func() {
				_, _ = conn.Write(sent)
				_ = conn.CloseWrite()
			})
			got, err := io.ReadAll(conn)
			if err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("got %d bytes and %v, want the %d that were sent", len(got), err, len(sent))
			}
			if s := p.Stats(); s.BytesIn != 1<<20 || s.BytesOut != 1<<20 || s.Cuts+s.HalfOpen != 0 {
				t.Fatalf("stats: %+v", s)
			}
		})
	}
}

// Nothing comes before its delay, and nothing overtakes.
func TestDelay(t *testing.T) {
	const delay = 50 * time.Millisecond
	p := serve(t, Faults{Delay: delay, Jitter: 30 * time.Millisecond}, echo)
	conn := dial(t, p)
	var mu sync.Mutex
	var sent []time.Time
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for i := range 40 {
			mu.Lock()
			sent = append(sent, time.Now())
			mu.Unlock()
			if _, err := conn.Write([]byte{byte(i)}); err != nil {
				return
			}
			<-time.After(time.Millisecond)
		}
		_ = conn.CloseWrite()
	})
	b := make([]byte, 1)
	for i := range 40 {
		if _, err := io.ReadFull(conn, b); err != nil || b[0] != byte(i) {
			t.Fatalf("byte %d: got %d and %v", i, b[0], err)
		}
		mu.Lock()
		took := time.Since(sent[i])
		mu.Unlock()
		if took < 2*delay {
			t.Fatalf("byte %d came back after %v, want %v at least", i, took, 2*delay)
		}
	}
	begun := time.Now()
	if n, err := conn.Read(b); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %d bytes and %v", n, err)
	}
	t.Logf("the end came %v after the last byte", time.Since(begun))
}

// Lives are cut by a reset that both sides see, some of them within a record.
func TestLife(t *testing.T) {
	atServer := make(chan error, 20)
	p := serve(t, Faults{Life: 20 * time.Millisecond}, func(conn *net.TCPConn) { atServer <- floods(conn) })
	parts, sizes := 0, map[int]bool{}
	for range 20 {
		got := dialed(t, p)
		sizes[len(got)] = true
		if len(got)%100 > 0 {
			parts++
		}
	}
	if parts == 0 || len(sizes) < 10 {
		t.Errorf("20 connections gave %d sizes, and %d of them ended within a record", len(sizes), parts)
	}
	if s := p.Stats(); s.Cuts != 20 || s.HalfOpen != 0 || s.Connections != 20 {
		t.Errorf("stats: %+v, want 20 cuts", s)
	}
	for range 20 {
		if err := <-atServer; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("the server saw %v, want a reset", err)
		}
	}
}

// Many connections in all trouble at once, until they are gone: what came is the
// beginning of what was sent.
func TestAllAtOnce(t *testing.T) {
	sent := noise(1 << 20)
	p := serve(t, Faults{
		Delay: time.Millisecond, Jitter: 2 * time.Millisecond, Life: 50 * time.Millisecond, MaxLife: 300 * time.Millisecond, CutBytes: 50_000,
		HalfOpen: 0.3, HalfOpenFor: 50 * time.Millisecond, Bandwidth: 1 << 20, Buffer: 100, StripUpgrade: true,
	}, func(conn *net.TCPConn) {
		var reading sync.WaitGroup
		defer reading.Wait()
		reading.Go(func() { hold(conn) })
		_, _ = conn.Write(sent)
	})
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			conn, err := net.Dial("tcp", p.Addr())
			if err != nil {
				return // it was cut before
			}
			defer conn.Close()
			all.Go(func() { _, _ = conn.Write(sent[:100_000]) })
			if got, err := io.ReadAll(conn); err == nil || !bytes.HasPrefix(sent, got) {
				t.Errorf("got %d bytes and %v, want a beginning of what was sent, and a reset", len(got), err)
			}
		})
	}
	all.Wait()
	if s := p.Stats(); s.Cuts == 0 || s.HalfOpen == 0 || s.Cuts+s.HalfOpen != 40 {
		t.Errorf("stats: %+v, want each of 40 connections to be cut, some by silence", s)
	}
}

// An idle connection is cut as well.
func TestLifeIdle(t *testing.T) {
	p := serve(t, Faults{Life: 10 * time.Millisecond}, hold)
	for range 8 {
		if got := dialed(t, p); len(got) > 0 {
			t.Fatalf("got %q", got)
		}
	}
}

// Every connection is cut at its age, not before.
func TestMaxLife(t *testing.T) {
	p := serve(t, Faults{MaxLife: 150 * time.Millisecond}, hold)
	begun := time.Now()
	dialed(t, p)
	if age := time.Since(begun); age < 150*time.Millisecond {
		t.Fatalf("cut after %v", age)
	}
}

// How many bytes are passed on follows from the seed alone.
func TestCutBytes(t *testing.T) {
	target := serve(t, Faults{}, flood)
	cuts := func(seed uint64) (sizes []int) {
		p, err := Listen(target.Addr(), seed)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		p.Set(Faults{CutBytes: 5000})
		sum := 0
		for range 30 {
			got := len(dialed(t, p))
			n := int(p.Stats().BytesOut) - sum
			if got > n {
				t.Fatalf("%d bytes came of %d that were passed on", got, n)
			}
			sizes = append(sizes, n)
			sum += n
		}
		return sizes
	}
	first, again, other := cuts(7), cuts(7), cuts(8)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Errorf("seed 7: %v\nseed 7: %v\nseed 8: %v", first, again, other)
	}
	sum := 0
	for _, n := range first {
		sum += n
	}
	if mean := sum / len(first); mean < 2500 || mean > 10_000 {
		t.Errorf("%v: the mean is %d, want about 5000", first, mean)
	}
}

// A silent cut leaves both sides open and passes nothing, for its time.
func TestHalfOpen(t *testing.T) {
	atServer := make(chan error, 1)
	p := serve(t, Faults{MaxLife: 50 * time.Millisecond, HalfOpen: 1, HalfOpenFor: 300 * time.Millisecond}, func(conn *net.TCPConn) {
		_, err := io.Copy(conn, conn)
		atServer <- err
	})
	conn := dial(t, p)
	begun := time.Now()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	for p.Stats().HalfOpen == 0 {
		<-time.After(time.Millisecond)
	}
	if _, err := conn.Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	silence(t, conn)
	if s := p.Stats(); s.Open != 1 || s.Cuts != 0 {
		t.Errorf("stats: %+v, want one that is half open", s)
	}
	if got := wantReset(t, conn); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if took := time.Since(begun); took < 350*time.Millisecond {
		t.Errorf("reset after %v", took)
	}
	if err := <-atServer; err == nil {
		t.Error("the server saw an end, want a reset")
	}
}

// A narrow connection takes its time, and the server feels it.
func TestBandwidth(t *testing.T) {
	took := make(chan int64, 1)
	p := serve(t, Faults{Bandwidth: 20_000}, func(conn *net.TCPConn) {
		n, _ := io.Copy(conn, rand.NewChaCha8([32]byte{}))
		took <- n
	})
	conn := dial(t, p)
	begun := time.Now()
	if _, err := io.ReadFull(conn, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begun); d < 400*time.Millisecond {
		t.Errorf("10,000 bytes came within %v, at 20,000 a second", d)
	}
	conn.Close()
	if n := <-took; n > 6<<20 { // its own send buffer is the largest part
		t.Errorf("the server could write %d bytes", n)
	}
}

func TestRefuseTargetCutAll(t *testing.T) {
	p := serve(t, Faults{}, echo)
	old := dial(t, p)
	talk := func(conn *net.TCPConn) {
		t.Helper()
		if _, err := conn.Write([]byte("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	talk(old)
	p.Set(Faults{Refuse: true})
	dialed(t, p)
	talk(old)
	p.Set(Faults{})
	p.Target("127.0.0.1:1") // nobody listens
	dialed(t, p)
	talk(old)
	p.CutAll()
	wantReset(t, old)
	if s := p.Stats(); s.Connections != 3 || s.Cuts != 1 || s.PeakPerSecond != 3 {
		t.Errorf("stats: %+v", s)
	}
	q := serve(t, Faults{}, echo)
	p.Target(q.Addr())
	talk(dial(t, p))
	if s := q.Stats(); s.Connections != 1 {
		t.Errorf("the new target: %+v", s)
	}
}

// The end of one side is passed on, and so is its reset.
func TestEnds(t *testing.T) {
	ends := make(chan error, 1)
	p := serve(t, Faults{}, func(conn *net.TCPConn) {
		_, err := io.Copy(io.Discard, conn)
		ends <- err
	})
	closed := dial(t, p)
	closed.Close()
	if err := <-ends; err != nil {
		t.Errorf("an end came as %v", err)
	}
	broken := dial(t, p)
	reset(broken)
	if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a reset came as %v", err)
	}
}
