// Package job is what the program that compares servers and its load generator
// say to each other: an [Order] a line, each answered by a [Report] in a line.
package job

// An Order asks for one thing.
type Order struct {
	Target  *Target  `json:"target,omitempty"`
	Open    *Open    `json:"open,omitempty"`
	Publish *Publish `json:"publish,omitempty"`
	Stall   *Stall   `json:"stall,omitempty"`
}

// A Report answers an order.
type Report struct {
	Error     string     `json:"error,omitempty"` // why it could not be done
	Opened    *Opened    `json:"opened,omitempty"`
	Published *Published `json:"published,omitempty"`
}

// A Target is the server to load, and how. It is the first order.
type Target struct {
	Address    string `json:"address"`    // host and port
	Read       string `json:"read"`       // how readers read, as "pabal sse"
	Write      string `json:"write"`      // how messages are published, as "pabal"
	Channels   int    `json:"channels"`   // readers are spread over them evenly
	Publishers int    `json:"publishers"` // connections that publish at full speed
	Processes  []int  `json:"processes"`  // of the server, whose CPU time is read
}

// Open opens more readers.
type Open struct {
	Readers int  `json:"readers"`
	Tiny    bool `json:"tiny"` // with little room in the kernel, to stall later
}

// Opened is how that went.
type Opened struct {
	Seconds   float64 `json:"seconds"`
	ServerCPU float64 `json:"serverCPU"` // seconds
	OwnCPU    float64 `json:"ownCPU"`    // seconds
}

// Stall makes the readers that were opened last read no more. They no longer
// count.
type Stall struct {
	Readers int `json:"readers"`
}

// Publish publishes to all channels, and counts what readers get.
type Publish struct {
	Rate    float64 `json:"rate"`    // messages a second, in all; 0 is as fast as readers take them
	Flight  int     `json:"flight"`  // at full speed: messages of a channel that the slowest of its readers may be behind; 0 is any number
	Batch   int     `json:"batch"`   // messages a request
	Payload int     `json:"payload"` // bytes of a message
	Warm    float64 `json:"warm"`    // seconds before it is measured
	Measure float64 `json:"measure"` // seconds that are measured
	Drain   float64 `json:"drain"`   // seconds that readers have then to get the rest
}

// Published is what came of it. What follows up to OwnCPU is of the time that
// was measured, the rest of all of it.
type Published struct {
	Seconds   float64 `json:"seconds"`
	Sent      int64   `json:"sent"`      // messages that the server accepted
	Delivered int64   `json:"delivered"` // messages, for each reader
	Reads     int64   `json:"reads"`     // reads of the load generator that found something
	ServerCPU float64 `json:"serverCPU"` // seconds
	OwnCPU    float64 `json:"ownCPU"`    // seconds
	Age       Age     `json:"age"`       // of the messages that were due in that time
	Backlog   int64   `json:"backlog"`   // messages that the slowest reader was behind at its end, of those that were due
	Drained   float64 `json:"drained"`   // seconds until all readers had the rest; negative: they did not
	Counts
}

// Counts are over all readers.
type Counts struct {
	Expected   int64  `json:"expected"`   // messages that were published, for each reader
	Lost       int64  `json:"lost"`       // did not come though a later one did, or the reader broke
	Repeated   int64  `json:"repeated"`   // came more than once
	Disordered int64  `json:"disordered"` // came after a later one
	Strange    int64  `json:"strange"`    // came to a reader of another channel
	Broken     int64  `json:"broken"`     // readers that the server cut off
	Why        string `json:"why,omitempty"`
}

// Wrong tells whether anything but what was published came, or less.
func (c Counts) Wrong() bool {
	return c.Lost+c.Repeated+c.Disordered+c.Strange+c.Broken > 0
}

// Age is how old messages were when they were read, in milliseconds since they
// should have been published.
type Age struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}
