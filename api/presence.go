package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// A Viewer says who is in a channel.
type Viewer interface {
	// View returns who is in ch. The error says so if that is not to be known.
	View(ctx context.Context, ch pabal.Channel) (Present, error)
}

// Present is who is in a channel, by who they are: somebody with several
// connections is there once.
type Present struct {
	Users       []User         // by name
	Anonymous   int            // connections of whom it is not known who they are
	Connections int            // all of them
	At          pabal.Position // of $presence/<channel>, after which the changes are that follow
}

// A User is in a channel.
type User struct {
	Name        string          `json:"user"`
	Data        json.RawMessage `json:"data,omitempty"` // what is shown of it
	Connections int             `json:"connections"`
}

// present is a [Present] as it is written.
type present struct {
	Users       []User `json:"users"`
	Anonymous   int    `json:"anonymous"`
	Connections int    `json:"connections"`
	Cursor      string `json:"cursor"`
}

// presence says who is in the channel of that name.
func (h *Handler) presence(w http.ResponseWriter, r *http.Request, name string) error {
	limits := h.Hub.Limits()
	ch, err := limits.CheckChannel(name)
	if err != nil {
		return err
	}
	if !reads(r) {
		w.Header().Set("Allow", "GET, HEAD")
		return &problem.Problem{Status: http.StatusMethodNotAllowed, Detail: "who is in a channel is read with GET; join by ?join where you read the channel, or by the command presence"}
	}
	if _, err := parameters(r); err != nil {
		return err
	}
	if _, err := h.allowed(r, pabal.ToSee, ch); err != nil {
		return err
	}
	if h.Presence == nil {
		return problem.NotFound("this server does not know who is in a channel")
	}
	seen, err := h.Presence.View(r.Context(), ch)
	if err != nil {
		return err
	}
	answer := present{Users: seen.Users, Anonymous: seen.Anonymous, Connections: seen.Connections, Cursor: seen.At.String()}
	if answer.Users == nil {
		answer.Users = []User{}
	}
	return writeJSON(w, answer)
}

// writeJSON answers with v, which changes.
func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n')) // who left needs no answer
	return nil
}
