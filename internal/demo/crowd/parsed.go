package crowd

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// An entry is what a viewer needs to know of one.
type entry struct {
	place pabal.Position
	time  time.Time
	seq   int // of a play; 0: it is none
}

// parsed keeps what was parsed of late: all viewers of a technique get the
// same bytes, and only the first has to understand them.
type parsed struct {
	mu   sync.RWMutex
	last map[string]got
}

// got is what some bytes say.
type got struct {
	entries []entry
	at      pabal.Position // of a notice
}

// mostParsed is how many are kept.
const mostParsed = 64

func (p *parsed) once(text []byte, parse func([]byte) (got, error)) (got, error) {
	p.mu.RLock()
	known, ok := p.last[string(text)]
	p.mu.RUnlock()
	if ok {
		return known, nil
	}
	fresh, err := parse(text)
	if err != nil {
		return got{}, fmt.Errorf("a viewer does not understand %.100q: %w", text, err)
	}
	if fresh.entries == nil {
		return fresh, nil // a notice may be of one viewer alone
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || len(p.last) >= mostParsed {
		p.last = make(map[string]got, mostParsed)
	}
	p.last[string(text)] = fresh
	return fresh, nil
}

// form is the JSON form of an entry or a notice.
type form struct {
	Notice string          `json:"notice"`
	Cursor string          `json:"cursor"`
	Time   time.Time       `json:"time"`
	Data   json.RawMessage `json:"data"`
}

func (f *form) entry() (entry, error) {
	place, err := pabal.ParsePosition(f.Cursor)
	if err != nil {
		return entry{}, err
	}
	var play struct {
		Match string `json:"match"`
		Seq   int    `json:"seq"`
	}
	if json.Unmarshal(f.Data, &play) != nil || play.Match == "" {
		play.Seq = 0 // anyone may publish anything there
	}
	return entry{place: place, time: f.Time, seq: max(0, play.Seq)}, nil
}

// object understands an entry or a notice.
func (p *parsed) object(text []byte) (got, error) {
	return p.once(text, func(text []byte) (got, error) {
		var f form
		if err := json.Unmarshal(text, &f); err != nil {
			return got{}, err
		}
		if f.Notice != "" {
			if f.Cursor == "" {
				return got{}, nil
			}
			at, err := pabal.ParsePosition(f.Cursor)
			return got{at: at}, err
		}
		e, err := f.entry()
		return got{entries: []entry{e}}, err
	})
}

// answer understands the answer to a poll.
func (p *parsed) answer(text []byte) (got, error) {
	return p.once(text, func(text []byte) (got, error) {
		var answer struct {
			Entries []form `json:"entries"`
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return got{}, err
		}
		var all got
		for i := range answer.Entries {
			e, err := answer.Entries[i].entry()
			if err != nil {
				return got{}, err
			}
			all.entries = append(all.entries, e)
		}
		return all, nil
	})
}
