package doctor

import (
	"encoding/json"
	"math"
	"time"
)

// A Report is what was measured. Its names in JSON are stable: others may come.
type Report struct {
	Server  string   `json:"server"`
	Verdict string   `json:"verdict"` // [Passes], [Degraded] or [Nothing]
	Order   []string `json:"order"`   // techniques, the best first; those of no use are left out
	Advice  string   `json:"advice"`  // the same in words, and why

	Via     string `json:"via,omitempty"`     // the header Via: who says of itself that it stands on the way
	TLS     *TLS   `json:"tls,omitempty"`     // nil without
	Latency Millis `json:"latencyMs"`         // of a request on a connection that is there; the median
	Publish string `json:"publish"`           // [Allowed], [Forbidden] or [Failed]; "" if it was not tried
	Channel string `json:"channel"`           // what was read and published to
	Left    bool   `json:"left"`              // the channel could not be deleted
	Watched Millis `json:"watchedMs"`         // how long nothing was published, to see what is cut
	Beat    Millis `json:"heartbeatMs"`       // how often the server promises a sign of life
	Rows    []Row  `json:"techniques"`        // what was tried
	Problem string `json:"problem,omitempty"` // why nothing could be tried
}

// Verdicts.
const (
	Passes   = "passes"   // all that was tried does
	Degraded = "degraded" // some does
	Nothing  = "nothing"  // there is no technique that does
)

// What became of publishing.
const (
	Allowed   = "allowed"
	Forbidden = "forbidden" // the server says 401 or 403
)

// TLS is how the connection is secured.
type TLS struct {
	Version string `json:"version"` // TLS 1.3
	ALPN    string `json:"alpn"`    // h2 or http/1.1; "" if the server does not say
}

// A Row is one technique over one version of HTTP.
type Row struct {
	Technique   string `json:"technique"` // post is publishing
	HTTP        string `json:"http"`      // 1.1 or 2
	Result      string `json:"result"`    // [Passes], [Buffered] …
	FirstByte   Millis `json:"firstByteMs,omitzero"`
	Open        Millis `json:"openMs,omitzero"`     // until $open, or the first answer
	Delivery    Millis `json:"deliveryMs,omitzero"` // from the publish to the entry; the median
	Delivered   int    `json:"delivered"`           // entries that came
	Late        int    `json:"late"`                // entries that did not come at once
	Held        int    `json:"heldBytes,omitzero"`  // so many bytes more were enough for what was held back to come
	Cut         Millis `json:"cutAfterMs,omitzero"`
	Silence     Millis `json:"longestSilenceMs,omitzero"`
	Status      int    `json:"status,omitzero"` // of a refusal
	ProxyStatus string `json:"proxyStatus,omitempty"`
	RetryAfter  Millis `json:"retryAfterMs,omitzero"`
	Detail      string `json:"detail,omitempty"` // in words
}

// Results of a [Row], beside [Passes].
const (
	Buffered = "buffered" // what comes is held back on the way
	Cut      = "cut"      // the connection was ended from outside
	Stripped = "stripped" // Upgrade does not arrive
	Refused  = "refused"  // the answer is an error
	Silent   = "silent"   // no answer came
	Failed   = "failed"   // anything else
	Absent   = "absent"   // the server does not offer it; that is no failure
)

// Millis is a duration that JSON has as milliseconds, with one decimal.
type Millis time.Duration

// MarshalJSON implements [json.Marshaler].
func (m Millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(math.Round(float64(m)/float64(time.Millisecond)*10) / 10)
}

// text is how a person reads it.
func (m Millis) text() string {
	switch d := time.Duration(m); {
	case d == 0:
		return "–"
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}
