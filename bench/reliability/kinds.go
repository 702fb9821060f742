package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A kind is a server as it is run here.
type kind struct {
	name    string
	command func(w *workshop, s *server) (cmd *exec.Cmd, address string, err error) // no address: its first line says it
	post    func(base, channel, id, data string) (*http.Request, error)
	ids     bool // what is published twice under one ID is kept once
	forgets bool // keeps nothing through a restart
}

// channel is the name of a channel.
func channel(i int) string { return fmt.Sprintf("c%d", i) }

var (
	pabalDisk   = &kind{name: "Pabal", command: runPabal("--sync=always"), post: postPabal, ids: true}
	pabalMemory = &kind{name: "Pabal, in memory", command: runPabal("--broker=memory"), post: postPabal, ids: true, forgets: true}
	socketIO    = &kind{name: "Socket.IO", command: runSocketIO, post: postText("/publish/"), forgets: true}
	centrifuge  = &kind{name: "centrifuge", command: runCentrifuge, post: postCentrifuge, forgets: true}
	mercure     = &kind{name: "Mercure", command: runMercure, post: postMercure}
	nchan       = &kind{name: "Nchan", command: runNchan, post: postText("/pub/"), forgets: true}
)

// runPabal runs Pabal, at the same address each time.
func runPabal(more ...string) func(*workshop, *server) (*exec.Cmd, string, error) {
	return func(w *workshop, s *server) (*exec.Cmd, string, error) {
		address, err := sameAddress(s)
		if err != nil {
			return nil, "", err
		}
		window := min(1000, s.history) // what is kept in memory counts as kept
		args := append([]string{
			"serve", "--window-entries=" + strconv.Itoa(window), "--listen=" + address, "--data=" + filepath.Join(s.dir, "data"), "--keep-entries=" + strconv.Itoa(s.history),
			"--heartbeat=2s", "--drain=1s", "--host-metrics=false", "--log-level=warn",
		}, more...)
		cmd := exec.Command(w.at("pabal"), args...)
		for _, variable := range os.Environ() {
			if !strings.HasPrefix(variable, "PABAL_") {
				cmd.Env = append(cmd.Env, variable)
			}
		}
		return cmd, address, nil
	}
}

// sameAddress is where s was, or an address that is free.
func sameAddress(s *server) (string, error) {
	if last := s.address.Load(); last != nil {
		return *last, nil
	}
	return freeAddress()
}

func runSocketIO(w *workshop, s *server) (*exec.Cmd, string, error) {
	away := 120.0 // seconds
	if s.history < plenty {
		away = float64(s.history) * channels / rate // it knows no number of messages
	}
	cmd := exec.Command("node", "server.js", fmt.Sprintf("--recover=%.1f", away))
	cmd.Dir = w.peer("socketio")
	cmd.Env = append(os.Environ(), "NODE_ENV=production")
	return cmd, "", nil
}

func runCentrifuge(w *workshop, s *server) (*exec.Cmd, string, error) {
	return exec.Command(w.at("centrifuge"), "-history="+strconv.Itoa(s.history), "-recover", "-ping=3s"), "", nil
}

func runMercure(w *workshop, s *server) (*exec.Cmd, string, error) {
	history := strconv.Itoa(s.history * channels) // of all together
	return exec.Command(w.at("mercure"), "-history="+history, "-file="+filepath.Join(s.dir, "mercure.db"), "-heartbeat=2s"), "", nil
}

// nchanModules is where Debian puts it.
const (
	nchanModules = "/usr/lib/nginx/modules"
	nchanModule  = nchanModules + "/ngx_nchan_module.so"
)

func runNchan(w *workshop, s *server) (*exec.Cmd, string, error) {
	template, err := os.ReadFile(filepath.Join(w.peer("nchan"), "nginx.conf"))
	if err != nil {
		return nil, "", err
	}
	address, err := sameAddress(s)
	if err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", err
	}
	// A reader whose last message is not kept any more, or who has had none yet, begins at the oldest.
	const first = "nchan_subscriber_first_message "
	if !bytes.Contains(template, []byte(first+"newest")) {
		return nil, "", errors.New("nginx.conf does not say what readers begin with")
	}
	conf := strings.NewReplacer(first+"newest", first+"oldest", "$MODULES", nchanModules, "$DIR", s.dir, "$PORT", port, "$HISTORY", strconv.Itoa(s.history), "$FILES", "10000").Replace(string(template))
	file := filepath.Join(s.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		return nil, "", err
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	return exec.Command(path, "-c", file, "-p", s.dir, "-e", "stderr"), address, nil
}

// How a message is published.

func post(to, contentType, body string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, to, strings.NewReader(body))
	if err == nil {
		r.Header.Set("Content-Type", contentType)
	}
	return r, err
}

func postPabal(base, channel, id, data string) (*http.Request, error) {
	return post(base+"/channels/"+channel+"?id="+id, "text/plain", data)
}

func postText(path string) func(base, channel, id, data string) (*http.Request, error) {
	return func(base, channel, _, data string) (*http.Request, error) {
		return post(base+path+channel, "text/plain", data)
	}
}

func postCentrifuge(base, channel, _, data string) (*http.Request, error) {
	return post(base+"/api/publish", "application/json", fmt.Sprintf(`{"channel":%q,"data":%q}`, channel, data))
}

// mercureToken lets its bearer publish anything to Mercure: a JWT of
// {"mercure":{"publish":["*"]}} under the key that bench/peers/mercure has.
const mercureToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0." +
	"QIuIVSc1wSRGMf-tJVYaVlzpUjOquoTd8Esz6d9O8lo"

func postMercure(base, channel, _, data string) (*http.Request, error) {
	form := url.Values{"topic": {channel}, "data": {data}}
	r, err := post(base+"/.well-known/mercure", "application/x-www-form-urlencoded", form.Encode())
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+mercureToken)
	}
	return r, err
}
