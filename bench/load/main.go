// Command load opens readers of a server, publishes to it, and counts what they
// get. Orders come on standard input and reports go to standard output, a line
// each (package job); it ends with its input.
//
// Readers are sockets of one epoll loop on a thread of its own, which parses no
// more than it has to and allocates nothing for a message. Linux only.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"time"

	"github.com/pabal/pabal/bench/internal/job"
	"github.com/pabal/pabal/bench/internal/process"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	debug.SetGCPercent(400) // its garbage is none of the server's business
	if err := process.MoreFiles(); err != nil {
		log.Fatal(err)
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// serve carries out orders until they end.
func serve(in io.Reader, out io.Writer) error {
	var g generator
	defer g.close()
	orders, reports := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var order job.Order
		if err := orders.Decode(&order); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		report, err := g.carryOut(order)
		if err != nil {
			report.Error = err.Error()
		}
		if err := reports.Encode(report); err != nil {
			return err
		}
	}
}

// A generator loads one server.
type generator struct {
	target job.Target
	form   form
	loop   *loop
	ledger *ledger
}

func (g *generator) carryOut(order job.Order) (report job.Report, err error) {
	switch {
	case order.Target != nil:
		err = g.aim(*order.Target)
	case g.loop == nil:
		err = errors.New("the first order must name the target")
	case order.Open != nil:
		report.Opened, err = g.open(*order.Open)
	case order.Publish != nil:
		report.Published, err = g.publish(*order.Publish)
	case order.Stall != nil:
		g.loop.stall(order.Stall.Readers)
	default:
		err = errors.New("an order without content")
	}
	return report, err
}

// aim makes ready for the target.
func (g *generator) aim(t job.Target) error {
	if g.loop != nil {
		return errors.New("there is a target already")
	}
	p, ok := protocols[t.Read]
	if !ok {
		return fmt.Errorf("no way to read %q", t.Read)
	}
	f, ok := forms[t.Write]
	if !ok {
		return fmt.Errorf("no way to publish %q", t.Write)
	}
	perChannel, window := 1, 256
	if t.Channels == 1 {
		perChannel, window = t.Publishers, 4096
	}
	g.target, g.ledger = t, newLedger(t.Channels, perChannel, window)
	var err error
	if g.loop, err = newLoop(t.Address, p, t.Channels, g.ledger); err != nil {
		return err
	}
	g.form = f
	return nil
}

func (g *generator) open(order job.Open) (*job.Opened, error) {
	before, err := process.CPU(g.target.Processes)
	if err != nil {
		return nil, err
	}
	own, begun := process.Own(), time.Now()
	if err := g.loop.open(order.Readers, order.Tiny); err != nil {
		return nil, err
	}
	took := time.Since(begun)
	after, err := process.CPU(g.target.Processes)
	return &job.Opened{Seconds: took.Seconds(), ServerCPU: (after - before).Seconds(), OwnCPU: (process.Own() - own).Seconds()}, err
}

func (g *generator) close() {
	if g.loop != nil {
		g.loop.close()
	}
}
