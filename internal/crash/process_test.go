package crash

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

// build builds the binary into dir.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "pabal")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "../../cmd/pabal")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return binary, nil
}

// A process is one run of the server.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when it listens
	ended chan struct{} // closed when it has ended; err is why
	url   string
	err   error
}

// start starts the binary. What it logs goes to the end of the file named log.
func start(binary, log string, args ...string) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fmt.Fprintf(file, "--- %s pabal %s\n", time.Now().Format(time.StampMilli), strings.Join(args, " "))
	p := &process{cmd: exec.Command(binary, args...), ready: make(chan struct{}), ended: make(chan struct{})}
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
		close(p.ended)
	}()
	return p, nil
}

// listen reads what the server prints, to the end.
func (p *process) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "pabal: listening on "); ok && p.url == "" {
			p.url = url
			close(p.ready)
		}
	}
}

// await waits until p listens.
func (p *process) await(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("the server has ended before it listened: %w", p.err)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(60 * time.Second):
		return errors.New("the server does not listen after a minute")
	}
}

// kill ends p at once, and waits for that.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// terminate asks p to end.
func (p *process) terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// stop asks p to end, and waits for that.
func (p *process) stop() error {
	if err := p.terminate(); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(30 * time.Second):
		p.kill()
		return errors.New("the server does not stop when it is asked to")
	}
}

// tail returns the end of the file named log.
func tail(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-40):], nil))
}
