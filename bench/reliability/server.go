package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A server is one that is run, and run anew after it was stopped or killed. It
// may be anywhere else then.
type server struct {
	kind    *kind
	history int // messages kept of a channel
	dir     string
	address atomic.Pointer[string]
	cmd     *exec.Cmd
	exited  chan error
	errors  tail
}

// startTime is how long a server may take to listen, or to end.
const startTime = 10 * time.Second

// start starts the server, and waits until it listens.
func (s *server) start(ctx context.Context, w *workshop) error {
	cmd, address, err := s.kind.command(w, s)
	if err != nil {
		return err
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	// A group of its own, so that what it starts can be killed with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = &s.errors
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, exited := make(chan string, 1), make(chan error, 1)
	s.cmd, s.exited = cmd, exited
	go func() {
		in := bufio.NewReader(out)
		first, _ := in.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, in)
		exited <- cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if address == "" {
		select {
		case first := <-line:
			_, said, ok := strings.Cut(strings.TrimSpace(first), "listening on ")
			if !ok {
				err = fmt.Errorf("it should first say where it listens; it said %q", first)
			}
			address = strings.TrimPrefix(said, "http://")
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err == nil {
		err = listens(ctx, address)
	}
	if err != nil {
		s.kill()
		return fmt.Errorf("%s does not start: %w: %s", s.kind.name, err, s.errors.String())
	}
	s.address.Store(&address)
	return nil
}

// listens waits until someone listens at address.
func listens(ctx context.Context, address string) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if pause(ctx, 10*time.Millisecond) != nil {
			return err
		}
	}
}

// at is where it listens, as host:port.
func (s *server) at() string { return *s.address.Load() }

// kill ends it and what it started with SIGKILL.
func (s *server) kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	s.exited <- <-s.exited
}

// killed kills it.
func (s *server) killed() error {
	s.kill()
	return nil
}

// stop ends it in good order.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		s.exited <- nil
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() != -1 { // that is: by the signal
			return fmt.Errorf("%s ended badly: %w: %s", s.kind.name, err, s.errors.String())
		}
		return nil
	case <-time.After(startTime):
		s.kill()
		return fmt.Errorf("%s did not end within %v of SIGTERM: %s", s.kind.name, startTime, s.errors.String())
	}
}

// A tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write takes p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-1000):]
	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// freeAddress returns an address of the loopback that is free.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
