// Package live builds and runs the real server, for tests that kill it.
package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Build builds the server into dir, and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "pabal")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/pabal/pabal/cmd/pabal")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return binary, nil
}

// A Process is one run of the server.
type Process struct {
	Ended chan struct{} // closed when it has ended

	cmd   *exec.Cmd
	ready chan struct{} // closed when it listens
	url   string
	err   error // why it has ended
}

// Start starts binary. What it logs goes to the end of the file named log.
func Start(binary, log string, args ...string) (*Process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the process has one of its own
	if _, err := fmt.Fprintf(file, "--- %s pabal %s\n", time.Now().Format(time.StampMilli), strings.Join(args, " ")); err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(binary, args...), ready: make(chan struct{}), Ended: make(chan struct{})}
	p.cmd.Stderr = file
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.listen(out)
		p.err = p.cmd.Wait()
		close(p.Ended)
	}()
	return p, nil
}

// listen reads what the server prints, to the end.
func (p *Process) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "pabal: listening on "); ok && p.url == "" {
			p.url = url
			close(p.ready)
		}
	}
}

// Await waits until p listens.
func (p *Process) Await(ctx context.Context) error {
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	select {
	case <-p.ready:
		return nil
	case <-p.Ended:
		return fmt.Errorf("the server has ended before it listened: %w", p.err)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late.C:
		return errors.New("the server does not listen after a minute")
	}
}

// URL is where p listens, once it does.
func (p *Process) URL() string { return p.url }

// ID is that of the process.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Err says how p has ended, once it has.
func (p *Process) Err() error { return p.err }

// Signal sends a signal to p.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends p at once, and waits for that.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.Ended
}

// Stop asks p to end, and waits for that.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	select {
	case <-p.Ended:
		return p.err
	case <-late.C:
		p.Kill()
		return errors.New("the server does not stop when it is asked to")
	}
}

// Tail returns the end of the file named log.
func Tail(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-40):], nil))
}
