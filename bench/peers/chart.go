package main

import (
	"fmt"
	"html"
	"strings"
)

// A chart is one figure of many rows as bars.
type chart struct {
	file, title   string
	workload, key string
	scale         float64
	digits        int
	less          bool // the less the better: said in the title
}

func chartList(s sizes) []chart {
	many := thousands(s.Readers)
	return []chart{
		{file: "peers-deliveries.svg", title: "Deliveries a second, " + many + " readers at full speed", workload: "full", key: "per_s"},
		{file: "peers-cpu.svg", title: "CPU s per million deliveries, " + many + " readers at full speed", workload: "full", key: "cpu_million", digits: 1, less: true},
		{file: "peers-age.svg", title: "Age p99 in ms, " + many + " readers, 2 messages a second", workload: "rate-2", key: "p99", less: true},
		{file: "peers-idle.svg", title: "RSS in KiB of an idle reader", workload: "idle", key: "rss", scale: 1024, digits: 1, less: true},
		{file: "peers-publish.svg", title: "Messages published a second, with history", workload: "publish-1-0", key: "per_s"},
	}
}

// charts returns the charts of what was measured, by file.
func (r *report) charts() map[string]string {
	svgs := map[string]string{}
	for _, c := range chartList(r.Sizes) {
		if svg := r.chart(c); svg != "" {
			svgs[c.file] = svg
		}
	}
	return svgs
}

// Sizes of a chart, in its own units.
const (
	chartWidth = 720
	labelWidth = 230
	valueWidth = 80
	barHeight  = 16
	barStep    = 24
	topHeight  = 40
)

// chart draws c, or nothing if nothing was measured.
func (r *report) chart(c chart) string {
	type bar struct {
		name, class string
		value       float64
	}
	var bars []bar
	most := 0.0
	for _, row := range r.bench.rows {
		v, ok := r.median(c.workload, row.key, c.key)
		if !ok {
			continue
		}
		class := map[kind]string{ours: "ours", variant: "variant", limit: "limit"}[row.kind]
		if class == "" {
			class = "peer"
		}
		v = max(v/max(c.scale, 1), 0)
		bars, most = append(bars, bar{row.name, class, v}), max(most, v)
	}
	if most == 0 {
		return ""
	}
	title := c.title
	if c.less {
		title += " (less is better)"
	}
	height := topHeight + barStep*len(bars) + 8
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n%s",
		chartWidth, height, chartWidth, height, html.EscapeString(title), chartStyle)
	fmt.Fprintf(&svg, `<rect class="ground" width="%d" height="%d" rx="6"/>`+"\n"+`<text class="title" x="14" y="25">%s</text>`+"\n", chartWidth, height, html.EscapeString(title))
	for i, b := range bars {
		y := topHeight + barStep*i
		width := b.value / most * (chartWidth - labelWidth - valueWidth)
		fmt.Fprintf(&svg, `<text class="name" x="%d" y="%d">%s</text><rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/><text x="%.1f" y="%d">%s</text>`+"\n",
			labelWidth-8, y+13, html.EscapeString(b.name), b.class, labelWidth, y, width, barHeight, labelWidth+width+6, y+13, commas(b.value, c.digits))
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}

// commas writes v with digits behind the point and commas before it.
func commas(v float64, digits int) string {
	text := fmt.Sprintf("%.*f", digits, v)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return whole + rest
}

// chartStyle gives a chart colours of its own on light and on dark pages.
const chartStyle = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 14px; }
.name { text-anchor: end; }
.ground { fill: #ffffff; }
.ours { fill: #c2410c; }
.variant { fill: #fdba74; }
.peer { fill: #8c959f; }
.limit { fill: #d0d7de; stroke: #8c959f; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.ground { fill: #0d1117; }
.ours { fill: #fb923c; }
.variant { fill: #9a5a2b; }
.peer { fill: #6e7681; }
.limit { fill: #30363d; stroke: #8b949e; }
}
</style>
`
