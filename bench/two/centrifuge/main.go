// Command centrifuge is a small server around centrifugal/centrifuge, with the
// memory engine, whose clients publish over WebSocket.
//
//	GET /connection/websocket   the JSON protocol; whoever comes may publish to any channel
package main

import (
	"context"
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
	flag.Parse()
	node, err := newNode(*history)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	<-stop.Done()
	cancel()
	late, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = node.Shutdown(late) // what is left then ends with the process
}

// newNode makes a node with its defaults, on which a publish is allowed at once.
func newNode(history int) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelError, LogHandler: func(e centrifuge.LogEntry) { log.Print(e.Message, e.Fields) }})
	if err != nil {
		return nil, err
	}
	reply := centrifuge.PublishReply{Options: centrifuge.PublishOptions{HistorySize: history}}
	if history > 0 {
		reply.Options.HistoryTTL = time.Hour
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnPublish(func(_ centrifuge.PublishEvent, done centrifuge.PublishCallback) { done(reply, nil) })
	})
	return node, node.Run()
}
