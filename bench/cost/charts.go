package main

import "github.com/pabal/pabal/bench/cost/chart"

// A file of a chart.
type chartFile struct{ file, svg string }

// charts draws the bytes a message takes against the rate, over HTTP/1.1 and
// over HTTP/2. There, WebSocket is over HTTP/1.1 with TLS.
func (r *tableReport) charts() []chartFile {
	return []chartFile{
		{"cost-h1.svg", r.chart("Bytes on the wire per delivered message, HTTP/1.1", h1, h1)},
		{"cost-h2.svg", r.chart("Bytes on the wire per delivered message, HTTP/2 with TLS (WebSocket: HTTP/1.1 with TLS)", h2TLS, h1TLS)},
	}
}

func (r *tableReport) chart(title string, over, socketsOver protocol) string {
	c := chart.Chart{Title: title, X: "messages a second", Y: "bytes a message, both directions"}
	for _, t := range techniques {
		w := way{t, over}
		if t.isWebSocket() {
			w.protocol = socketsOver
		}
		s := chart.Series{Name: t.name, Dashed: t.isWebSocket()}
		for _, p := range r.phases {
			if bytes := r.bytes(p, w); bytes > 0 {
				s.Points = append(s.Points, chart.Point{X: p.perSecond(), Y: bytes})
			}
		}
		if len(s.Points) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	return c.SVG()
}
