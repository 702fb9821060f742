package transport_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/readers"
)

// A book is what was acknowledged to publishers, and how far readers have come.
type book struct {
	mu     sync.Mutex
	logs   map[string]map[string]readers.Item // by channel and cursor
	most   map[string]int                     // the furthest offset that any reader has
	moved  chan struct{}                      // closed when most changes
	server *readers.Server
}

func newBook(s *readers.Server) *book {
	return &book{logs: map[string]map[string]readers.Item{}, most: map[string]int{}, moved: make(chan struct{}), server: s}
}

func offset(cursor string) int {
	_, text, _ := strings.Cut(cursor, "-")
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

func (b *book) acknowledged(channel, cursor string, it readers.Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.logs[channel] == nil {
		b.logs[channel] = map[string]readers.Item{}
	}
	b.logs[channel][cursor] = it
}

func (b *book) took(channel, cursor string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := offset(cursor); n > b.most[channel] {
		b.most[channel] = n
		close(b.moved)
		b.moved = make(chan struct{})
	}
}

// taken waits until some reader has come to cursor.
func (b *book) taken(ctx context.Context, channel, cursor string) {
	for {
		b.mu.Lock()
		there, moved := b.most[channel] >= offset(cursor), b.moved
		b.mu.Unlock()
		if there {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// log returns channel's log in order.
func (b *book) log(channel string) []readers.Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]readers.Item, len(b.logs[channel]))
	for cursor, it := range b.logs[channel] {
		list[offset(cursor)-1] = it
		list[offset(cursor)-1].Cursor = cursor
	}
	return list
}

// messageOf returns the n-th message of a publisher: text of one line and of
// several, JSON, bytes and nothing.
func messageOf(publisher, n int, random *rand.Rand) readers.Item {
	name := fmt.Sprintf("%d.%d", publisher, n)
	it := readers.Item{Data: []byte(name)}
	switch random.IntN(8) {
	case 0:
		it.Data = []byte(name + "\n\n<b>파발</b> & \"relay\"\n </script>\u2028")
	case 1:
		it.ContentType, it.Data = "application/json", []byte(`{"n":"`+name+`","list":[1,2.50,null,"</script>"]}`)
	case 2:
		it.ContentType, it.Data = "application/octet-stream", append([]byte{0, 0xff, '\n', '\r'}, name...)
	case 3:
		it.Data = nil
	case 4:
		it.Data = bytes.Repeat([]byte(name+" "), 1+random.IntN(400))
	case 5:
		it.Type, it.Key = "goal", "lg doosan/é"
	}
	return it
}

// post publishes all, in one request, and notes the receipt.
func (b *book) post(ctx context.Context, client *http.Client, base, channel string, all []readers.Item) (last string, err error) {
	body, contentType, query := all[0].Data, all[0].ContentType, url.Values{}
	if len(all) > 1 {
		contentType, body = "application/x-ndjson", nil
		for _, it := range all {
			body = append(append(body, line(it)...), '\n')
		}
	} else if all[0].Type != "" {
		query = url.Values{"type": {all[0].Type}, "key": {all[0].Key}}
	}
	r, err := http.NewRequestWithContext(ctx, "POST", base+"/channels/"+channel+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var receipt struct {
		Cursor  string
		Cursors []string
	}
	if err == nil {
		err = json.Unmarshal(text, &receipt)
	}
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Pabal-Cursor") != receipt.Cursor {
		return "", fmt.Errorf("publish: %d %s %w", resp.StatusCode, text, err)
	}
	if len(all) == 1 {
		receipt.Cursors = []string{receipt.Cursor}
	}
	for i, cursor := range receipt.Cursors {
		b.acknowledged(channel, cursor, all[i])
	}
	return receipt.Cursor, nil
}

// line returns it as a line of a batch.
func line(it readers.Item) []byte {
	members := map[string]any{}
	for name, value := range map[string]string{"type": it.Type, "key": it.Key, "contentType": it.ContentType} {
		if value != "" {
			members[name] = value
		}
	}
	switch it.ContentType {
	case "application/json":
		members["data"] = json.RawMessage(it.Data)
	case "application/octet-stream":
		members["data"], members["encoding"] = base64.StdEncoding.EncodeToString(it.Data), "base64"
	default:
		members["data"] = string(it.Data)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(members); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(text.Bytes())
}

// publisher publishes n messages to channels, now and then so many at once
// that readers are behind, now and then only once a reader has the last.
func (b *book) publisher(ctx context.Context, number, n int, channels []string, random *rand.Rand) error {
	client, base := b.server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	for i := 0; i < n; {
		var all []readers.Item
		for range 1 + random.IntN(4)*random.IntN(10) {
			all = append(all, messageOf(number, i, random))
			i++
		}
		channel := channels[random.IntN(len(channels))]
		last, err := b.post(ctx, client, base, channel, all)
		if err != nil {
			return err
		}
		if random.IntN(2) == 0 {
			b.taken(ctx, channel, last)
		}
	}
	return ctx.Err()
}

// A history is what one reader has.
type history struct {
	name  string
	items map[string][]readers.Item
	by    map[string][]string
}

func newHistory(name string) *history {
	return &history{name: name, items: map[string][]readers.Item{}, by: map[string][]string{}}
}

func (h *history) took(by *readers.Technique, it readers.Item) error {
	h.items[it.Channel] = append(h.items[it.Channel], it)
	h.by[it.Channel] = append(h.by[it.Channel], by.Name)
	return nil
}

// check tests that h is exactly the log of each channel.
func (h *history) check(t testing.TB, b *book, channels []string) {
	t.Helper()
	for _, channel := range channels {
		want, got := b.log(channel), h.items[channel]
		for i := range min(len(got), len(want)) {
			if wrong := differs(got[i], want[i]); wrong != "" {
				t.Errorf("%s, channel %s: entry %d of %d, by %s: %s", h.name, channel, i, len(want), h.by[channel][i], wrong)
				return
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s, channel %s: %d entries, want %d", h.name, channel, len(got), len(want))
			return
		}
	}
}

func differs(got, want readers.Item) string {
	switch {
	case got.Cursor != "" && got.Cursor != want.Cursor:
		return fmt.Sprintf("cursor %s, want %s", got.Cursor, want.Cursor)
	case got.Opaque && len(got.Data) != len(want.Data):
		return fmt.Sprintf("%d bytes, want %d", len(got.Data), len(want.Data))
	case !got.Opaque && !bytes.Equal(got.Data, want.Data) && !sameJSON(got, want):
		return fmt.Sprintf("data %q, want %q", got.Data, want.Data)
	case got.Cursor != "" && got.Type != want.Type:
		return fmt.Sprintf("type %q, want %q", got.Type, want.Type)
	case got.ContentType != "" && !strings.HasPrefix(got.ContentType, "text/plain") && got.ContentType != want.ContentType:
		return fmt.Sprintf("content type %q, want %q", got.ContentType, want.ContentType)
	}
	return ""
}

// sameJSON reports whether both are JSON, and the same: in a script some
// characters are escaped.
func sameJSON(got, want readers.Item) bool {
	var a, b any
	return want.ContentType == "application/json" && json.Unmarshal(got.Data, &a) == nil && json.Unmarshal(want.Data, &b) == nil &&
		reflect.DeepEqual(a, b)
}

// closeAll closes channels, so that readers come to an end.
func (b *book) closeAll(ctx context.Context, channels []string) error {
	client, base := b.server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	for _, channel := range channels {
		r, err := http.NewRequestWithContext(ctx, "POST", base+"/channels/"+channel+"?close", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			return errors.New(resp.Status)
		}
	}
	return nil
}

// stage runs publishers, then closes the channels, while the readers follow.
// The seed is in the name of what fails.
type stage struct {
	channels   []string
	publishers int
	each       int // messages of each publisher
	followers  []*readers.Follower
	histories  []*history
}

func (s *stage) run(t *testing.T, b *book, seed uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var publishing, reading sync.WaitGroup
	for i := range s.publishers {
		publishing.Go(func() {
			if err := b.publisher(ctx, i, s.each, s.channels, rand.New(rand.NewPCG(seed, uint64(i)))); err != nil {
				t.Errorf("publisher %d: %v", i, err)
				cancel()
			}
		})
	}
	for i, f := range s.followers {
		h := s.histories[i]
		f.Took = func(by *readers.Technique, it readers.Item) error {
			b.took(it.Channel, it.Cursor)
			return h.took(by, it)
		}
		reading.Go(func() {
			if err := f.Run(ctx); err != nil {
				t.Errorf("seed %d: %s: %v", seed, h.name, err)
				cancel()
			}
		})
	}
	publishing.Wait()
	if err := b.closeAll(ctx, s.channels); err != nil {
		t.Error(err)
	}
	reading.Wait()
	for i, h := range s.histories {
		h.check(t, b, s.followers[i].Place.Channels)
	}
}
