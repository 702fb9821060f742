// Command gorilla is a WebSocket server as people write it by hand with
// gorilla/websocket: a hub for each channel, and for each reader a channel of
// messages, a goroutine that writes and one that reads.
//
//	GET /read/{channel}       a WebSocket
//	POST /publish/{channel}   the message
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	queue     = 256              // messages that wait for a reader; one with more is thrown out
	writeTime = 10 * time.Second // what a write may take
	silence   = 60 * time.Second // after which a reader is taken for dead
	pingEvery = silence * 9 / 10
)

func main() {
	log.SetFlags(0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	hubs := &hubs{byChannel: map[string]*hub{}}
	http.HandleFunc("GET /read/{channel}", hubs.read)
	http.HandleFunc("POST /publish/{channel}", hubs.publish)
	log.Fatal(http.Serve(listener, nil))
}

type hubs struct {
	mu        sync.Mutex
	byChannel map[string]*hub
}

func (h *hubs) get(channel string) *hub {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := h.byChannel[channel]
	if found == nil {
		found = &hub{join: make(chan *reader), leave: make(chan *reader), messages: make(chan []byte, 16)}
		h.byChannel[channel] = found
		go found.run()
	}
	return found
}

var upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}

func (h *hubs) read(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	reader := &reader{hub: h.get(r.PathValue("channel")), conn: conn, queue: make(chan []byte, queue)}
	reader.hub.join <- reader
	go reader.write()
	go reader.listen()
}

func (h *hubs) publish(w http.ResponseWriter, r *http.Request) {
	message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.get(r.PathValue("channel")).messages <- message
	w.WriteHeader(http.StatusNoContent)
}

// A hub gives the messages of a channel to its readers.
type hub struct {
	join, leave chan *reader
	messages    chan []byte
}

func (h *hub) run() {
	readers := map[*reader]struct{}{}
	drop := func(r *reader) {
		if _, ok := readers[r]; ok {
			delete(readers, r)
			close(r.queue)
		}
	}
	for {
		select {
		case r := <-h.join:
			readers[r] = struct{}{}
		case r := <-h.leave:
			drop(r)
		case m := <-h.messages:
			for r := range readers {
				select {
				case r.queue <- m:
				default: // it does not keep up
					drop(r)
				}
			}
		}
	}
}

type reader struct {
	hub   *hub
	conn  *websocket.Conn
	queue chan []byte
}

// write writes messages, and pings now and then.
func (r *reader) write() {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	defer func() { _ = r.conn.Close() }()
	for {
		select {
		case m, ok := <-r.queue:
			_ = r.conn.SetWriteDeadline(time.Now().Add(writeTime))
			if !ok {
				_ = r.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			if err := r.conn.WriteMessage(websocket.TextMessage, m); err != nil {
				return
			}
		case <-ticker.C:
			_ = r.conn.SetWriteDeadline(time.Now().Add(writeTime))
			if err := r.conn.WriteMessage(websocket.PingMessage, nil); err != nil {
				return
			}
		}
	}
}

// listen reads what the reader says, which is nothing but pongs and its end.
func (r *reader) listen() {
	r.conn.SetReadLimit(512)
	_ = r.conn.SetReadDeadline(time.Now().Add(silence))
	r.conn.SetPongHandler(func(string) error { return r.conn.SetReadDeadline(time.Now().Add(silence)) })
	for {
		if _, _, err := r.conn.ReadMessage(); err != nil {
			break
		}
	}
	r.hub.leave <- r
	_ = r.conn.Close()
}
