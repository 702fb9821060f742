package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pabal/pabal/auth"
)

// What one asks, nobody else cancels, and nobody answers who may not.
func (s *siege) calls(t *testing.T) {
	ben := s.token(t, auth.Claims{User: "ben", Rights: auth.Rights{Call: []string{"shop"}}})
	shop := s.token(t, auth.Claims{User: "shop", Rights: auth.Rights{Read: []string{"$calls/shop"}}})
	bank := s.token(t, auth.Claims{User: "bank", Rights: auth.Rights{Read: []string{"$calls/bank", "shop", "*"}}})
	id := connection(t)
	s.works(t, "POST", "/commands?connection="+id, `{"id":1,"command":"call","channel":"shop","call":"c-1","data":"price?"}`, bearer(ben), "Content-Type: application/json")
	asked := s.works(t, "GET", "/channels/$calls/shop?via=longpoll", "", bearer(shop))
	var answer struct{ Entries []struct{ ID string } }
	if err := json.Unmarshal([]byte(asked), &answer); err != nil || len(answer.Entries) != 1 || strings.Contains(asked, id) {
		t.Fatalf("who answers reads %s, %v; want one call, and not the connection's id", asked, err)
	}
	ref := answer.Entries[0].ID
	mine := "?connection=" + connection(t)
	for _, a := range []attempt{
		commanded("cancelling by its name", s.ann, mine, `{"id":1,"command":"cancel","call":"c-1"}`, 400, "this connection has no call named"),
		commanded("cancelling by its ref", s.ann, mine, fmt.Sprintf(`{"id":1,"command":"cancel","call":%q}`, ref), 400, "this connection has no call named"),
		commanded("cancelling without a connection", s.ann, "", `{"id":1,"command":"cancel","call":"c-1"}`, 400, "name yours with ?connection="),
		commanded("cancelling on another's connection", s.ann, "?connection="+id, `{"id":1,"command":"cancel","call":"c-1"}`, 403, othersID),
		commanded("asking another's channel", s.ann, mine, `{"id":1,"command":"call","channel":"bank","call":"c-1"}`, 403, `you may not call channel \"bank\"`),
		commanded("asking one of Pabal's own", s.ann, mine, `{"id":1,"command":"call","channel":"$calls/shop","call":"c-1"}`, 403, "in which nobody is"),
		commanded("asking without a name", s.ann, mine, `{"id":1,"command":"call","channel":"shop"}`, 400, "a name of its own"),
		commanded("asking by a name with NUL", s.ann, mine, `{"id":1,"command":"call","channel":"shop","call":"a\u0000"}`, 400, "control characters are not allowed"),
		commanded("asking by a long name", s.ann, mine, `{"id":1,"command":"call","channel":"shop","call":"`+strings.Repeat("a", 257)+`"}`, 413, `"limit":"field-bytes","max":256`),
		commanded("asking for ever", s.ann, mine, `{"id":1,"command":"call","channel":"shop","call":"c-1","timeout":1e9}`, 400, "timeout is a number of seconds up to 3600"),
		commanded("answering without the right", s.ann, mine, answering("shop", ref, "answer"), 403, "$calls/shop"),
		commanded("answering with another right", bank, "", answering("shop", ref, "answer"), 403, "$calls/shop"),
		commanded("answering another's in one's own channel", bank, "", answering("bank", ref, "answer"), 400, `no call of channel \"bank\" has the ref`),
		commanded("answering without a token", "", "", answering("shop", ref, "answer"), 401, "$calls/shop"),
		commanded("guessing a ref", shop, "", answering("shop", "AAAAAAAAAAAAAAAAAAAAAA", "answer"), 400, `no call of channel \"shop\" has the ref`),
		commanded("a ref that is a path", shop, "", answering("shop", "../../../../$conn/"+id[:4], "answer"), 400, "is none: give that of an entry of $calls/"),
		commanded("an empty ref", shop, "", answering("shop", "", "answer"), 400, "is none: give that of an entry of $calls/"),
		commanded("a ref with NUL", shop, "", answering("shop", `AAAAAAAAAAAAAAAAAAAAA\u0000`, "answer"), 400, "is none: give that of an entry of $calls/"),
		commanded("an answer that is an order", shop, "", answering("shop", ref, "command"), 400, "an answer is of type part, of which more follow, answer or failed"),
		commanded("an answer that is a notice", shop, "", answering("shop", ref, "$closed"), 400, "an answer is of type part"),
		{what: "reading what is asked", method: "GET", path: "/channels/$calls/shop?via=poll", header: []string{bearer(s.ann)}, status: 403, says: "$calls/shop"},
		{what: "reading what is asked, with another right", method: "GET", path: "/channels/$calls/shop?via=poll", header: []string{bearer(bank)}, status: 403, says: "$calls/shop"},
		{what: "who reads what is asked", method: "GET", path: "/presence/$calls/shop", header: []string{bearer(shop)}, status: 403, says: "in which nobody is"},
	} {
		s.attempts(t, a)
	}
	s.asksTooMuch(t, mine)
	// The answer comes, to him alone, and is the last.
	s.works(t, "POST", "/commands", answering("shop", ref, "answer"), bearer(shop), "Content-Type: application/json")
	s.attempts(t, commanded("answering twice", shop, "", answering("shop", ref, "failed"), 409, "was answered, failed or cancelled before"))
	if got := s.answered(t, id, ben); !strings.Contains(got, `"key":"c-1"`) {
		t.Errorf("ben's inbox: got %s, want the answer", got)
	}
}

// answered reads an inbox until an answer is there, which comes once the node
// that was asked has seen it.
func (s *siege) answered(t *testing.T, id, token string) (all string) {
	path := "/channels?via=longpoll&connection=" + id
	for !strings.Contains(all, `"type":"answer"`) {
		got := s.works(t, "GET", path, "", bearer(token))
		var page struct{ Cursor string }
		if err := json.Unmarshal([]byte(got), &page); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		all += got
		path = "/channels?via=longpoll&connection=" + id + "&cursor=" + page.Cursor
	}
	return all
}

// answering is the command that answers; ref is as JSON escapes it.
func answering(channel, ref, kind string) string {
	return fmt.Sprintf(`{"id":1,"command":"answer","channel":%q,"ref":"%s","type":%q,"data":"x"}`, channel, ref, kind)
}

// asksTooMuch goes over what one connection may ask at once.
func (s *siege) asksTooMuch(t *testing.T, mine string) {
	const most = 3
	for i := range most {
		call := fmt.Sprintf(`{"id":1,"command":"call","channel":"shop","call":"many-%d"}`, i)
		s.works(t, "POST", "/commands"+mine, call, bearer(s.ann), "Content-Type: application/json")
	}
	s.attempts(t, commanded("one call more", s.ann, mine, `{"id":1,"command":"call","channel":"shop","call":"too-many"}`, 429, `"limit":"calls-per-connection","max":3`))
	for i := range most {
		s.works(t, "POST", "/commands"+mine, fmt.Sprintf(`{"id":1,"command":"cancel","call":"many-%d"}`, i), bearer(s.ann), "Content-Type: application/json")
	}
}
