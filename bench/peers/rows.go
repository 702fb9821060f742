package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A row is a server as it is compared: one way to run it and to read from it.
type row struct {
	key, name string
	kind      kind
	read      string // as bench/load calls it
	write     string // as bench/load calls it
	batch     int    // messages a write, where that is what is compared
	apart     bool   // a way to read that only the small channel is measured with
	main      bool   // of several rows of a server: the one for what does not depend on how it is read
	command   func(w *workshop, history int) (*exec.Cmd, string, error)
}

// kind is what a row is there for.
type kind int

const (
	ours    kind = iota // Pabal as it comes
	variant             // Pabal otherwise
	goOrNode
	inC
	limit
)

// peer tells whether it is another server.
func (r *row) peer() bool { return r.kind == goOrNode || r.kind == inC }

// way is how r is read: websocket, sse…
func (r *row) way() string {
	_, way, _ := strings.Cut(r.read, " ")
	return way
}

// rowsOf returns all rows, with Pabal as many times as it has ways to deliver.
func rowsOf(pumps []string) []*row {
	rows := pabalRows(ours, "", pumps)
	if len(pumps) > 1 {
		rows = append(rows, pabalRows(variant, pumps[1], pumps)[:2]...)
	}
	return append(rows,
		&row{key: "nchan websocket", name: "Nchan, WebSocket", kind: inC, main: true, command: nchan},
		&row{key: "nchan sse", name: "Nchan, SSE", kind: inC, command: nchan},
		&row{key: "centrifuge websocket", name: "centrifuge, WebSocket", kind: goOrNode, main: true, command: program("centrifuge")},
		&row{key: "centrifuge sse", name: "centrifuge, SSE", kind: goOrNode, command: program("centrifuge")},
		&row{key: "mercure sse", name: "Mercure, SSE", kind: goOrNode, main: true, command: program("mercure")},
		&row{key: "gorilla websocket", name: "gorilla hub, WebSocket", kind: goOrNode, main: true, command: program("gorilla")},
		&row{key: "socketio websocket", name: "Socket.IO, WebSocket", kind: goOrNode, main: true, command: socketio},
		&row{key: "limit", name: "limit, 1 message a write", kind: limit, read: "limit websocket", write: "limit", command: bareLimit},
		&row{key: "limit-8", name: "limit, 8 messages a write", kind: limit, read: "limit websocket", write: "limit", batch: 8, command: bareLimit},
	)
}

// pabalRows are the rows of Pabal with one pump; the first of pumps is what it
// takes by itself.
func pabalRows(k kind, pump string, pumps []string) (rows []*row) {
	suffix, title := "", "Pabal"
	if k == variant {
		suffix, title = " ("+pump+")", "Pabal ("+pump+" pump)"
	} else if len(pumps) > 0 {
		pump = pumps[0]
	}
	names := map[string]string{"websocket": "WebSocket", "sse": "SSE", "stream": "stream", "longpoll": "long poll", "poll": "poll"}
	for _, way := range []string{"websocket", "sse", "stream", "longpoll", "poll"} {
		rows = append(rows, &row{
			key: "pabal " + way + suffix, name: title + ", " + names[way], kind: k, read: "pabal " + way,
			apart: strings.HasSuffix(way, "poll"), main: way == "websocket", command: pabal(pump),
		})
	}
	return rows
}

// readAs is how bench/load calls the way to read.
func (r *row) readAs() string {
	if r.read != "" {
		return r.read
	}
	return r.key
}

// writeAs is how bench/load calls the way to publish.
func (r *row) writeAs() string {
	if r.write != "" {
		return r.write
	}
	name, _, _ := strings.Cut(r.key, " ")
	return name
}

// The commands: each says on its first line where it listens, or the address is
// returned.

func pabal(pump string) func(*workshop, int) (*exec.Cmd, string, error) {
	return func(w *workshop, history int) (*exec.Cmd, string, error) {
		args := []string{"serve", "--listen=127.0.0.1:0", "--host-metrics=false", "--log-level=warn", "--drain=1s", "--rotate-bytes=0", "--broker=memory"}
		if pump != "" {
			args = append(args, "--pump="+pump)
		}
		if history > 0 {
			args = append(args, "--keep-entries="+strconv.Itoa(history))
		}
		return exec.Command(w.at("pabal"), args...), "", nil
	}
}

// program runs one of the Go programs in bench/peers.
func program(name string) func(*workshop, int) (*exec.Cmd, string, error) {
	return func(w *workshop, history int) (*exec.Cmd, string, error) {
		var args []string
		if history > 0 {
			args = append(args, "-history="+strconv.Itoa(history))
			if name == "mercure" {
				file := w.at("mercure.db")
				if err := os.RemoveAll(file); err != nil {
					return nil, "", err
				}
				args = append(args, "-file="+file)
			}
		}
		return exec.Command(w.at(name), args...), "", nil
	}
}

func socketio(w *workshop, history int) (*exec.Cmd, string, error) {
	args := []string{"server.js"}
	if history > 0 {
		args = append(args, "--history")
	}
	cmd := exec.Command("node", args...)
	cmd.Dir = w.source("socketio")
	cmd.Env = append(os.Environ(), "NODE_ENV=production")
	return cmd, "", nil
}

func bareLimit(w *workshop, _ int) (*exec.Cmd, string, error) {
	return exec.Command(w.at("limit"), strconv.Itoa(payload)), "", nil
}

// nchanModules is where Debian puts it.
const (
	nchanModules = "/usr/lib/nginx/modules"
	nchanModule  = nchanModules + "/ngx_nchan_module.so"
)

func nchan(w *workshop, history int) (*exec.Cmd, string, error) {
	template, err := os.ReadFile(filepath.Join(w.source("nchan"), "nginx.conf"))
	if err != nil {
		return nil, "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a port that is free
	if err != nil {
		return nil, "", err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(address)
	if history == 0 {
		history = 1000
	}
	conf := strings.NewReplacer("$MODULES", nchanModules, "$DIR", w.dir, "$PORT", port, "$HISTORY", strconv.Itoa(history), "$FILES", "20000").Replace(string(template))
	file := w.at("nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		return nil, "", err
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	return exec.Command(path, "-c", file, "-p", w.dir, "-e", "stderr"), address, nil
}
