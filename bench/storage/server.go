package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A server is a running one.
type server struct {
	cmd     *exec.Cmd
	begun   time.Time // when it was started
	address string
	errors  bytes.Buffer
	exited  chan error
}

// startTime is how long a server may take to listen, or to end.
const startTime = time.Minute

// pabal starts Pabal with its defaults, but for what would get in the way.
func (w *workshop) pabal(args ...string) (*server, error) {
	usual := []string{"serve", "--listen=127.0.0.1:0", "--host-metrics=false", "--log-level=warn", "--drain=1s", "--rotate-bytes=0"}
	return start(w.at("pabal"), append(usual, args...)...)
}

// start starts a server, whose first line says where it listens.
func start(path string, args ...string) (*server, error) {
	s := &server{cmd: exec.Command(path, args...), exited: make(chan error, 1)}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PABAL_") {
			s.cmd.Env = append(s.cmd.Env, variable)
		}
	}
	s.cmd.Stderr = &s.errors
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.begun = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		first, _ := r.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		s.exited <- s.cmd.Wait()
	}()
	select {
	case first := <-line:
		_, address, ok := strings.Cut(strings.TrimSpace(first), "listening on ")
		if !ok {
			return nil, errors.Join(fmt.Errorf("the server should first say where it listens; it said %q", first), s.kill())
		}
		s.address = strings.TrimPrefix(address, "http://")
		return s, nil
	case <-time.After(startTime):
		return nil, errors.Join(fmt.Errorf("the server did not listen within %v", startTime), s.kill())
	}
}

// pids is the server's process, as package process wants it.
func (s *server) pids() []int { return []int{s.cmd.Process.Pid} }

// stop ends the server with SIGTERM.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		if err != nil && !ended(err, syscall.SIGTERM) {
			return fmt.Errorf("the server ended badly: %w: %s", err, s.said())
		}
		return nil
	case <-time.After(startTime):
		return errors.Join(fmt.Errorf("the server did not end within %v of SIGTERM", startTime), s.kill())
	}
}

// kill ends the server with SIGKILL.
func (s *server) kill() error {
	_ = s.cmd.Process.Kill()
	if err := <-s.exited; err != nil && !ended(err, syscall.SIGKILL) {
		return fmt.Errorf("the server ended badly: %w: %s", err, s.said())
	}
	return nil
}

// ended tells whether a process ended by that signal.
func ended(err error, by syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == by
}

// said returns the end of what the server said of errors. It must have ended.
func (s *server) said() string {
	text := strings.TrimSpace(s.errors.String())
	return text[max(0, len(text)-1000):]
}

// with runs f with s, and stops s.
func (s *server) with(f func() error) error {
	err := f()
	stopped := s.stop()
	if err != nil && s.said() != "" {
		err = fmt.Errorf("%w; the server said: %s", err, s.said())
	}
	return errors.Join(err, stopped)
}
