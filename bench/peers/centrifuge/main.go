// Command centrifuge is a small server around centrifugal/centrifuge, with the
// memory engine, server-side subscriptions and an API to publish like
// Centrifugo's.
//
//	GET /connection/websocket, /connection/sse   the JSON protocol; {"channel":…} in the data of connect
//	POST /api/publish                            {"channel":…,"data":…}
//	POST /api/batch                              {"commands":[{"publish":…},…]}
//
// With -recover clients subscribe by themselves, to what they like, and recover
// what they missed; there is /connection/http_stream and /emulation, too.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
)

func main() {
	log.SetFlags(0)
	history := flag.Int("history", 0, "messages kept of a channel, for an hour")
	recovery := flag.Bool("recover", false, "clients subscribe by themselves, with recovery")
	ping := flag.Duration("ping", 0, "how often to ping; a pong may take half a second less (0: the library's default)")
	flag.Parse()
	node, err := newNode(*recovery)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	a := &api{node: node}
	if *history > 0 {
		a.options = append(a.options, centrifuge.WithHistory(*history, time.Hour))
	}
	var pings centrifuge.PingPongConfig
	if *ping > 0 {
		pings = centrifuge.PingPongConfig{PingInterval: *ping, PongTimeout: *ping - 500*time.Millisecond}
	}
	anyOrigin := func(*http.Request) bool { return true }
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{CheckOrigin: anyOrigin, UseWriteBufferPool: true, PingPongConfig: pings}))
	http.Handle("/connection/sse", centrifuge.NewSSEHandler(node, centrifuge.SSEConfig{PingPongConfig: pings}))
	http.Handle("/connection/http_stream", centrifuge.NewHTTPStreamHandler(node, centrifuge.HTTPStreamConfig{PingPongConfig: pings}))
	http.Handle("/emulation", centrifuge.NewEmulationHandler(node, centrifuge.EmulationConfig{}))
	http.HandleFunc("POST /api/publish", a.publish)
	http.HandleFunc("POST /api/batch", a.batch)
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	<-stop.Done()
	cancel()
	late, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = node.Shutdown(late) // what is left then ends with the process
}

// newNode makes a node with its defaults, on which whoever comes reads the
// channel that it names, or with recovery those that it subscribes to.
func newNode(recovery bool) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelError, LogHandler: func(e centrifuge.LogEntry) { log.Print(e.Message, e.Fields) }})
	if err != nil {
		return nil, err
	}
	if recovery {
		node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
		})
		node.OnConnect(func(c *centrifuge.Client) {
			c.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
				reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: true, EnablePositioning: true}}, nil)
			})
		})
		return node, node.Run()
	}
	node.OnConnecting(func(_ context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		var asked struct {
			Channel string `json:"channel"`
		}
		if err := json.Unmarshal(e.Data, &asked); err != nil || asked.Channel == "" {
			return centrifuge.ConnectReply{}, errors.New("the data of connect must name a channel")
		}
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{asked.Channel: {}},
		}, nil
	})
	return node, node.Run()
}

type api struct {
	node    *centrifuge.Node
	options []centrifuge.PublishOption
}

type publish struct {
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

type published struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

func (a *api) do(p publish) (published, error) {
	result, err := a.node.Publish(p.Channel, p.Data, a.options...)
	return published{result.Offset, result.Epoch}, err
}

func (a *api) publish(w http.ResponseWriter, r *http.Request) {
	var p publish
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	done, err := a.do(p)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]published{"result": done})
}

func (a *api) batch(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Commands []struct {
			Publish publish `json:"publish"`
		} `json:"commands"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	replies := make([]map[string]published, 0, len(asked.Commands))
	for _, c := range asked.Commands {
		done, err := a.do(c.Publish)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		replies = append(replies, map[string]published{"publish": done})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"replies": replies})
}
