package pabal

import (
	"cmp"
	"fmt"
	"time"
)

// Limits bound what one node holds. A zero field means its default.
type Limits struct {
	MessageBytes        int           // of one message's data; 1 MiB
	FieldBytes          int           // of an ID, a type, a key or a content type; 256
	BatchMessages       int           // in one publish; 1,000
	BatchBytes          int           // in one publish, and in one answer or write; 1 MiB, or MessageBytes if that is more
	ChannelBytes        int           // of a channel's name; 255
	ChannelsPerResponse int           // that one session reads; 100, and no more
	Channels            int           // that one node follows; 100,000
	WindowEntries       int           // of a followed channel that stay in memory; 1,000
	WindowBytes         int           // the same; 4 MiB. Each technique that reads them adds its encoding
	Sessions            int           // on one node; 100,000
	SessionsPerAddress  int           // for one Grant.Address; 1,000
	Reads               int           // of the broker at once; 64
	TailCheck           time.Duration // between comparisons of a tail with its log; 5 s
	TailLinger          time.Duration // for which a tail stays followed after its last reader; 30 s
}

// maxPlaces is how many channels a cursor of 4 KiB has room for.
const maxPlaces = 100

// WithDefaults returns l with each zero field set to its default.
func (l Limits) WithDefaults() Limits {
	l.MessageBytes = cmp.Or(l.MessageBytes, 1<<20)
	l.FieldBytes = cmp.Or(l.FieldBytes, 256)
	l.BatchMessages = cmp.Or(l.BatchMessages, 1000)
	l.BatchBytes = cmp.Or(l.BatchBytes, max(1<<20, l.MessageBytes))
	l.ChannelBytes = cmp.Or(l.ChannelBytes, 255)
	l.ChannelsPerResponse = min(cmp.Or(l.ChannelsPerResponse, maxPlaces), maxPlaces)
	l.Channels = cmp.Or(l.Channels, 100_000)
	l.WindowEntries = cmp.Or(l.WindowEntries, 1000)
	l.WindowBytes = cmp.Or(l.WindowBytes, 4<<20)
	l.Sessions = cmp.Or(l.Sessions, 100_000)
	l.SessionsPerAddress = cmp.Or(l.SessionsPerAddress, 1000)
	l.Reads = cmp.Or(l.Reads, 64)
	l.TailCheck = cmp.Or(l.TailCheck, 5*time.Second)
	l.TailLinger = cmp.Or(l.TailLinger, 30*time.Second)
	return l
}

// A LimitError says which limit refused something. Nothing else was changed.
type LimitError struct {
	Limit string        // its name, as it is configured
	Max   int           // what it is
	What  string        // what went over it
	Retry time.Duration // after which to come back; 0 if that does not help
}

func (e *LimitError) Error() string {
	text := fmt.Sprintf("%s: the limit %s is %d", e.What, e.Limit, e.Max)
	if e.Retry > 0 {
		return text + fmt.Sprintf("; come back in %v", e.Retry)
	}
	return text
}

// A StorageError says that what keeps the logs cannot do what was asked.
type StorageError struct {
	What  string        // could not be done, whether anything was, and what to do; for clients too
	Full  bool          // there is no room to keep more
	Retry time.Duration // after which to come back; 0 if that is not known
	Err   error         // the cause, for the server's log
}

func (e *StorageError) Error() string {
	if e.Err == nil {
		return e.What
	}
	return fmt.Sprintf("%s (%v)", e.What, e.Err)
}

func (e *StorageError) Unwrap() error { return e.Err }

// An InvalidError says what is wrong with what was given, and what to give
// instead.
type InvalidError struct{ Detail string }

func (e *InvalidError) Error() string { return e.Detail }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// check reports the first limit that p goes over.
func (l *Limits) check(p *Publish) error {
	if len(p.Messages) == 0 && !p.Close {
		return invalid("nothing to publish: send at least one message, or close the channel")
	}
	if len(p.Messages) > l.BatchMessages {
		return &LimitError{Limit: "batch-messages", Max: l.BatchMessages, What: fmt.Sprintf("a batch of %d messages", len(p.Messages))}
	}
	if len(p.BatchID) > l.FieldBytes {
		return &LimitError{Limit: "field-bytes", Max: l.FieldBytes, What: fmt.Sprintf("a batch id of %d bytes", len(p.BatchID))}
	}
	total := 0
	for i := range p.Messages {
		m := &p.Messages[i]
		if len(m.Data) > l.MessageBytes {
			return &LimitError{Limit: "max-message", Max: l.MessageBytes, What: fmt.Sprintf("a message of %d bytes", len(m.Data))}
		}
		for _, field := range []string{m.ID, m.Type, m.Key, m.ContentType} {
			if len(field) > l.FieldBytes {
				return &LimitError{Limit: "field-bytes", Max: l.FieldBytes, What: fmt.Sprintf("a field of %d bytes", len(field))}
			}
		}
		if err := m.Check(); err != nil {
			return err
		}
		total += len(m.Data)
	}
	if total > l.BatchBytes {
		return &LimitError{Limit: "batch-bytes", Max: l.BatchBytes, What: fmt.Sprintf("a batch of %d bytes", total)}
	}
	return nil
}

// CheckChannel parses name and holds it against [Limits.ChannelBytes].
func (l *Limits) CheckChannel(name string) (Channel, error) {
	if len(name) > l.ChannelBytes {
		return "", &LimitError{Limit: "channel-bytes", Max: l.ChannelBytes, What: fmt.Sprintf("a channel name of %d bytes", len(name))}
	}
	return ParseChannel(name)
}
