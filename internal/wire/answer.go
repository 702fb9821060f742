package wire

import (
	"encoding/json"
	"fmt"

	"github.com/pabal/pabal"
)

// An Answer is what a poll gets: {"entries":[…],"notices":[…],"cursor":"…"},
// "before":"…" where that is said, and "more":true if there is more already in
// the direction that was asked for.
type Answer struct {
	Entries []*pabal.Entry
	Notices []*Notice
	Cursor  string // where to go on: of one channel, or the vector
	Before  string // before which older entries lie
	More    bool
}

// AppendAnswer appends a's JSON form, which is one line without its line feed.
// Both lists are there even if they are empty.
func AppendAnswer(dst []byte, a *Answer) []byte {
	dst = append(dst, `{"entries":[`...)
	for i, e := range a.Entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, Entry(e)...)
	}
	dst = append(dst, `],"notices":[`...)
	for i, n := range a.Notices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendNotice(dst, n)
	}
	dst = appendText(append(dst, ']'), "cursor", a.Cursor)
	dst = appendText(dst, "before", a.Before)
	if a.More {
		dst = append(dst, `,"more":true`...)
	}
	return append(dst, '}')
}

// ParseAnswer parses what [AppendAnswer] writes. Members that it does not know
// are ignored.
func ParseAnswer(text []byte) (*Answer, error) {
	var o struct {
		Entries []object `json:"entries"`
		Notices []object `json:"notices"`
		Cursor  string   `json:"cursor"`
		Before  string   `json:"before"`
		More    bool     `json:"more"`
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("%.80q is no answer to a poll: %w", text, err)
	}
	a := &Answer{Cursor: o.Cursor, Before: o.Before, More: o.More}
	for i := range o.Entries {
		e, err := o.Entries[i].entry()
		if err != nil {
			return nil, fmt.Errorf("entry %d of an answer: %w", i, err)
		}
		a.Entries = append(a.Entries, e)
	}
	for i := range o.Notices {
		if o.Notices[i].Notice == "" {
			return nil, fmt.Errorf("notice %d of an answer does not say what it is", i)
		}
		a.Notices = append(a.Notices, o.Notices[i].notice())
	}
	return a, nil
}
