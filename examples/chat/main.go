// Command chat is a chat room in a web server of its own: names, history, who is there.
package main

import (
	"cmp"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/embed"
)

const page = `<!doctype html><meta charset=utf-8><title>Chat</title>Here: <b id=here></b><ul id=log></ul><form><input id=text autofocus></form><script>
if (!/name=./.test(document.cookie)) document.cookie = 'name=' + encodeURIComponent(prompt('Your name?') || 'guest')
const show = ({ key, data }) => log.appendChild(document.createElement('li')).textContent = key + ': ' + data
const who = async () => here.textContent = (await (await fetch('/presence/chat')).json()).users.map(u => u.user).join(', ')
const chat = new EventSource('/channels/chat?since=50&format=entry&join'), presence = new EventSource('/channels/$presence/chat')
chat.onmessage = e => show(JSON.parse(e.data))
for (const event of ['$live', 'join', 'leave']) presence.addEventListener(event, who)
document.forms[0].onsubmit = e => { e.preventDefault(); fetch('/say', { method: 'POST', body: text.value }); text.value = '' }</script>`

type readOnly struct{} // what visitors say goes through /say, so that nobody says it as somebody else

func (readOnly) Allow(a pabal.Action, _ pabal.Channel) bool { return a != pabal.ToPublish }

func grant(r *http.Request) (pabal.Grant, error) {
	cookie, _ := r.Cookie("name") // ask your sessions instead
	user, err := url.QueryUnescape(cmp.Or(cookie, &http.Cookie{}).Value)
	return pabal.Grant{User: user, Rules: readOnly{}}, err
}

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8090"))
	if err != nil {
		log.Fatal(err)
	}
	node, mux := embed.New(embed.Config{Access: embed.AccessFunc(grant)}), http.NewServeMux()
	mux.Handle("/", node)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	mux.HandleFunc("POST /say", func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(io.LimitReader(r.Body, 1000))
		who, _ := grant(r)
		if _, err := node.Publish(r.Context(), "chat", pabal.Message{Key: who.User, Data: text}); err != nil {
			http.Error(w, "it was not said", http.StatusServiceUnavailable)
		}
	})
	log.Printf("open http://%v", listener.Addr())
	if err := node.Serve(ctx, &http.Server{Handler: http.NewCrossOriginProtection().Handler(mux)}, listener); err != nil {
		log.Fatal(err)
	}
}
