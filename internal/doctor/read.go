package doctor

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

// types are the media types of responses that go on.
var types = map[string]string{sse: "text/event-stream", stream: "application/x-ndjson", multipart: "multipart/mixed"}

// errEnded says that a response ended as it should.
var errEnded = errors.New("the response ended without $closed")

// readStream reads a response that goes on.
func (r *reader) readStream(ctx context.Context) error {
	req, err := r.exam.request(ctx, http.MethodGet, r.exam.target(r.technique, r.more), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := r.client.Do(req)
	if err != nil {
		return bare(err)
	}
	defer resp.Body.Close()
	if err := r.check(resp, types[r.technique]); err != nil {
		return err
	}
	return r.lines(bufio.NewReader(watched{resp.Body, r}))
}

// check refuses an answer that is not of the type wanted.
func (r *reader) check(resp *http.Response, wanted string) error {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && media == wanted {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	f := (&answer{status: resp.StatusCode, header: resp.Header, body: body}).failure()
	if resp.StatusCode/100 == 2 {
		f.said = fmt.Sprintf("the answer is %s instead of %s", cmp.Or(media, "of no type"), wanted)
	}
	return refusal{f}
}

// lines takes what is said in each line, whatever the technique puts before it.
func (r *reader) lines(in *bufio.Reader) error {
	retry := false
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return r.over(retry)
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		retry = retry || bytes.HasPrefix(line, []byte("retry:"))
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data:")))
		if bytes.HasPrefix(line, []byte("{")) {
			r.take(line)
		}
	}
}

// over says how a response has ended that is whole.
func (r *reader) over(retry bool) error {
	r.exam.mu.Lock()
	defer r.exam.mu.Unlock()
	switch {
	case r.closed:
		return nil
	case r.opened.IsZero() && retry: // a status that an EventSource could not read
		return refusal{&failure{status: http.StatusOK, said: "the server says to come again later: it stops, or a limit is reached"}}
	}
	return errEnded
}

// readPoll asks once, and again when it is told to.
func (r *reader) readPoll(ctx context.Context) error {
	next := url.Values{}
	for {
		a, err := r.exam.ask(ctx, r.client, r.exam.patience(), next)
		if err != nil {
			return err
		}
		if err := r.answered(a, next); err != nil {
			return err
		}
		select {
		case <-r.kick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// longest is how long a long poll asks to wait, as browsers' clients do.
const longest = 25 * time.Second

// errCut says that a request was begun anew on another connection.
var errCut = errors.New("the connection broke while the answer was waited for")

// readLongPoll asks, and then waits for answers.
func (r *reader) readLongPoll(ctx context.Context) error {
	next := url.Values{"wait": {"0"}}
	for {
		a, err := r.wait(ctx, next)
		if err != nil {
			return err
		}
		if err := r.answered(a, next); err != nil {
			return err
		}
		next.Set("wait", fmt.Sprint(int(longest.Seconds())))
	}
}

// wait asks once. net/http asks again by itself where a connection breaks that
// has served before: that is an error here.
func (r *reader) wait(ctx context.Context, next url.Values) (*answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errOver)
	timer := time.AfterFunc(longest+2*r.exam.patience(), func() { cancel(errNoAnswer(longest + 2*r.exam.patience())) })
	defer timer.Stop()
	connections := 0
	began := time.Now()
	asked := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if connections++; connections > 1 && time.Since(began) > r.exam.reached {
			cancel(errCut)
		}
	}})
	r.exam.note(func() { r.asked = began })
	req, err := r.exam.request(asked, http.MethodGet, r.exam.target(longpoll, next), nil)
	if err != nil {
		return nil, err
	}
	a, err := whole(r.client, req)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return a, err
}

// answered takes what is in the answer to a poll, and notes where to go on.
func (r *reader) answered(a *answer, next url.Values) error {
	cursor := a.header.Get("Pabal-Cursor")
	if a.status != http.StatusNoContent {
		var said struct {
			Entries []json.RawMessage `json:"entries"`
			Cursor  string            `json:"cursor"`
		}
		if a.status != http.StatusOK || a.media() != "application/json" || json.Unmarshal(a.body, &said) != nil {
			return refusal{a.failure()}
		}
		for _, e := range said.Entries {
			r.take(e)
		}
		cursor = said.Cursor
	}
	if cursor == "" {
		return refusal{&failure{status: a.status, said: "the answer has no cursor"}}
	}
	next.Set("cursor", cursor)
	r.exam.note(func() {
		if r.opened.IsZero() {
			r.opened = time.Now()
		}
	})
	return nil
}
