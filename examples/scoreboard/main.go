// Command scoreboard shows the scores of games as they change. Whoever opens it
// late sees all games as they are: the channel's log has the last of each.
package main

import (
	"cmp"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/embed"
)

const page = `<!doctype html><meta charset=utf-8><title>Scores</title><table id=games></table><script>
new EventSource('/channels/scores?since=all&only=latest&format=entry').onmessage = e => {
  const { key, data } = JSON.parse(e.data)
  const row = document.getElementById(key) || Object.assign(games.insertRow(), { id: key })
  row.innerHTML = '<th><td>'
  row.cells[0].textContent = key
  row.cells[1].textContent = data
}
</script>
<p>As whoever keeps the score would: <code>curl -d 2:1 localhost:8090/score/doosan-lg</code>`

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8090"))
	if err != nil {
		log.Fatal(err)
	}
	node := embed.New(embed.Config{})
	mux := http.NewServeMux()
	mux.Handle("GET /channels/", node) // visitors read, and that is all
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	mux.HandleFunc("POST /score/{game}", func(w http.ResponseWriter, r *http.Request) {
		score, _ := io.ReadAll(io.LimitReader(r.Body, 100))
		if _, err := node.Publish(r.Context(), "scores", pabal.Message{Key: r.PathValue("game"), Data: score}); err != nil {
			http.Error(w, "the score was not kept", http.StatusServiceUnavailable)
		}
	})
	log.Printf("open http://%v", listener.Addr())
	if err := node.Serve(ctx, &http.Server{Handler: http.NewCrossOriginProtection().Handler(mux)}, listener); err != nil {
		log.Fatal(err)
	}
}
