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

// withLoad runs f with a load generator that is aimed at s.
func (w *workshop) withLoad(s *server, target job.Target, f func(*generator) error) error {
	g, err := startGenerator(w)
	if err != nil {
		return err
	}
	target.Address, target.Processes = s.address, s.pids()
	if _, err = g.do(job.Order{Target: &target}); err == nil {
		err = f(g)
	}
	return errors.Join(err, g.stop())
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

// publish publishes messages of [payload] bytes, one a request.
func (g *generator) publish(p job.Publish) (*job.Published, error) {
	p.Batch, p.Payload = 1, payload
	report, err := g.do(job.Order{Publish: &p})
	return report.Published, err
}

// stop ends it, and with it all of its readers.
func (g *generator) stop() error {
	if err := g.in.Close(); err != nil {
		return err
	}
	return g.cmd.Wait()
}
