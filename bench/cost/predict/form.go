package predict

import (
	"strconv"
	"strings"
)

// A Message is what the sizes of a message's forms follow from.
type Message struct {
	Channel string
	Epoch   string // of its cursors
	Offset  int    // of its cursors: how many digits it has
	Data    int    // bytes of plain text that no form has to escape
}

// The texts below stand for what has their length.
const (
	entryTime = "2026-11-22T23:51:44.749011805Z" // one in ten ends in a zero, which is left out
	shortTime = "2026-11-22 23:51:44Z"
	random    = "NVBEOPRMR5LBZLVNT67IINRYY7" // nonces and boundaries
)

// cursor returns what stands for that of the i-th message: one of the same
// length, and another than the 35 before it.
func (m Message) cursor(i int) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	offset := []byte(strconv.Itoa(m.Offset))
	for place := len(offset) - 1; place >= 0; place-- {
		offset[place] = digits[i%len(digits)]
		i /= len(digits)
	}
	return m.Epoch + "-" + string(offset)
}

func (m Message) data() string { return strings.Repeat("x", m.Data) }

// entry returns the JSON form of a message.
func (m Message) entry() string {
	return `{"channel":"` + m.Channel + `","cursor":"` + m.cursor(0) + `","time":"` + entryTime + `","data":"` + m.data() + `"}`
}

// streamed returns the bytes of a message in a response that goes on.
func (m Message) streamed(technique string) int {
	return len(map[string]string{
		"stream": m.entry() + "\n",
		"sse":    "id: " + m.cursor(0) + "\ndata: " + m.data() + "\n\n",
		"multipart": "Pabal-Cursor: " + m.cursor(0) + "\r\nPabal-Channel: " + m.Channel + "\r\nPabal-Time: " + entryTime +
			"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + strconv.Itoa(m.Data) + "\r\n\r\n" + m.data() + boundary,
		"iframe": `<script nonce="` + random + `">document.currentScript.remove();parent.pabal(` + m.entry() + ")</script>\n",
		"page": `<li data-cursor="` + m.cursor(0) + `"><time datetime="` + entryTime + `">` + shortTime + `</time> <span class="of">` +
			m.Channel + "</span> <pre>" + m.data() + "</pre></li>\n",
	}[technique])
}

const boundary = "\r\n--pabal-" + random + "\r\n"

// beat returns the bytes of a sign of life in a response that goes on.
func beat(technique string) int {
	return len(map[string]string{
		"stream": "\n", "sse": ":\n\n", "multipart": "Content-Length: 0\r\n\r\n" + boundary, "iframe": "<!-- -->\n", "page": "<!-- -->\n",
	}[technique])
}

// frame returns the bytes of a message on a WebSocket. A server does not mask.
func (m Message) frame(technique string) int {
	n := m.Data
	if technique == "websocket pabal.v1" {
		n = len(m.entry())
	}
	switch {
	case n < 126:
		return n + 2
	case n < 1<<16:
		return n + 4
	}
	return n + 10
}

// body returns the bytes of the answer to a poll of any kind with k messages,
// which need not be a whole number: it is a mean.
func (m Message) body(technique string, k float64) float64 {
	around := `{"entries":[],"notices":[],"cursor":"` + m.cursor(0) + `"}`
	if technique == "jsonp" {
		around = "/**/got(" + around + ");"
	}
	n := float64(len(around))
	if k > 0 {
		n += k*float64(len(m.entry())) + (k - 1)
	}
	return n
}
