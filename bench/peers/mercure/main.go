// Command mercure is a small server around dunglas/mercure's hub, to which
// anyone may subscribe. The library is under the AGPL: this program is a module
// of its own, and nothing of Pabal is linked with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/dunglas/mercure"
	"go.uber.org/zap"
)

// key is that of the token with which bench/load publishes.
const key = "a key that only this bench uses, on loopback"

func main() {
	log.SetFlags(0)
	history := flag.Uint64("history", 0, "messages kept; 0 keeps none, in memory; else they are in -file")
	file := flag.String("file", "mercure.db", "where they are kept, with Bolt")
	heartbeat := flag.Duration("heartbeat", mercure.DefaultHeartbeat, "how often a silent stream gets a comment")
	flag.Parse()
	logger := zap.NewNop()
	var transport mercure.Transport = mercure.NewLocalTransport()
	if *history > 0 {
		var err error
		if transport, err = mercure.NewBoltTransport(logger, *file, "", *history, mercure.BoltDefaultCleanupFrequency); err != nil {
			log.Fatal(err)
		}
	}
	topics, err := mercure.NewTopicSelectorStoreLRU(mercure.DefaultTopicSelectorStoreLRUMaxEntriesPerShard, mercure.DefaultTopicSelectorStoreLRUShardCount)
	if err != nil {
		log.Fatal(err)
	}
	hub, err := mercure.NewHub(
		mercure.WithAnonymous(), mercure.WithLogger(logger), mercure.WithTransport(transport), mercure.WithTopicSelectorStore(topics),
		mercure.WithPublisherJWT([]byte(key), "HS256"), mercure.WithHeartbeat(*heartbeat),
	)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{Handler: hub}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	<-stop.Done()
	cancel()
	_ = hub.Stop() // closes the file, and ends the subscribers' responses
	late, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(late) // what is left then ends with the process
}
