package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/pabal/pabal/bench/internal/job"
)

// A generator is a running bench/load.
type generator struct {
	cmd     *exec.Cmd
	in      io.Closer
	orders  *json.Encoder
	reports *json.Decoder
}

func startGenerator(w *workshop) (*generator, error) {
	cmd := exec.Command(w.at("load"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &generator{cmd, in, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

// do has an order carried out.
func (g *generator) do(order job.Order) (report job.Report, err error) {
	if err := g.orders.Encode(order); err != nil {
		return report, fmt.Errorf("the load generator takes no order: %w", err)
	}
	if err := g.reports.Decode(&report); err != nil {
		return report, fmt.Errorf("the load generator does not report: %w", err)
	}
	if report.Error != "" {
		return report, errors.New(report.Error)
	}
	return report, nil
}

// stop ends it, and with it all of its readers.
func (g *generator) stop() error {
	if err := g.in.Close(); err != nil {
		return err
	}
	return g.cmd.Wait()
}

// A scene is a server under load.
type scene struct {
	*server
	*generator
	row *row
}

// with runs f with a server of its own under a load of its own.
func (t *taken) with(target job.Target, history int, f func(*scene) error) error {
	s, err := startServer(t.workshop, t.row, history)
	if err != nil {
		return err
	}
	g, err := startGenerator(t.workshop)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	target.Address, target.Processes, target.Read, target.Write = s.address, s.processes, t.row.readAs(), t.row.writeAs()
	if _, err = g.do(job.Order{Target: &target}); err == nil {
		err = f(&scene{s, g, t.row})
	}
	if err != nil && s.said() != "" {
		err = fmt.Errorf("%w; the server said: %s", err, s.said())
	}
	return errors.Join(err, g.stop(), s.stop())
}

// open opens more readers.
func (s *scene) open(n int, tiny bool) (*job.Opened, error) {
	report, err := s.do(job.Order{Open: &job.Open{Readers: n, Tiny: tiny}})
	return report.Opened, err
}

// publish publishes, and fails if the row is Pabal and anything was lost.
func (s *scene) publish(p job.Publish) (*job.Published, error) {
	p.Batch = max(p.Batch, 1)
	if p.Payload == 0 {
		p.Payload = payload
	}
	report, err := s.do(job.Order{Publish: &p})
	if err != nil {
		return nil, err
	}
	got := report.Published
	if !s.row.peer() && (got.Wrong() || got.Drained < 0) {
		return nil, fmt.Errorf("of %d messages %d were lost, %d repeated, %d out of order, %d strange; %d readers broke (%s); the rest came after %.1f s (-1: not at all)",
			got.Expected, got.Lost, got.Repeated, got.Disordered, got.Strange, got.Broken, got.Why, got.Drained)
	}
	return got, nil
}
