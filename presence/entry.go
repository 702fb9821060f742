package presence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/pabal/pabal"
)

// The types of entries. Those of presence are in spec/protocol.md.
const (
	typeJoin   = "join"
	typeChange = "change"
	typeLeave  = "leave"
	typeCount  = "count"

	typeLease = "lease" // in the log of leases: this node is there
	typeEnded = "ended" // and this one is not, and has no members
)

// Why somebody left.
const (
	left    = "left"          // said so
	gone    = "gone"          // did not come back
	expired = "expired-lease" // the node is gone
)

// A body is the data of an entry.
type body struct {
	User        string          `json:"user,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Node        string          `json:"node,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Connections *int            `json:"connections,omitempty"`
	Lease       int64           `json:"lease,omitempty"` // in milliseconds
}

// message returns b as a message.
func (b *body) message(kind, key string) pabal.Message {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(b); err != nil {
		panic(err) // the only part that could be wrong was checked
	}
	return pabal.Message{Type: kind, Key: key, ContentType: "application/json", Data: bytes.TrimSuffix(text.Bytes(), []byte("\n"))}
}

// parse returns the data of e; what is no entry of ours names no node.
func parse(e *pabal.Entry) (b body) {
	if err := json.Unmarshal(e.Data, &b); err != nil {
		return body{}
	}
	if e.Type == typeCount {
		b.Node = e.Key
	}
	return b
}

// present reports whether e, the last of its key, says that somebody is there.
func present(e *pabal.Entry, b *body) bool {
	switch e.Type {
	case typeJoin, typeChange:
		return true
	case typeCount:
		return b.Connections != nil && *b.Connections > 0
	}
	return false
}

// A key is what others see of a connection.
type key [16]byte

// keyOf returns the key of a connection, whose ID is a secret.
func keyOf(connection string) (k key) {
	sum := sha256.Sum256([]byte("presence/" + connection))
	copy(k[:], base64.RawURLEncoding.EncodeToString(sum[:]))
	return k
}

// maxData is the limit on a member's data.
const maxData = 4 << 10

// checkData returns data as it is kept.
func checkData(data []byte) ([]byte, error) {
	if len(data) > maxData {
		return nil, &pabal.LimitError{Limit: "presence-data-bytes", Max: maxData, What: fmt.Sprintf("presence data of %d bytes", len(data))}
	}
	var text bytes.Buffer
	if err := json.Compact(&text, data); err != nil || !utf8.Valid(data) {
		return nil, &pabal.InvalidError{Detail: "presence data must be JSON, such as {\"status\":\"away\"}"}
	}
	return text.Bytes(), nil
}
