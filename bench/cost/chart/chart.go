// Package chart draws lines as SVG that can be read on light and on dark
// ground, with nothing but text.
package chart

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A Chart is lines over two logarithmic axes.
type Chart struct {
	Title, X, Y string
	Series      []Series
}

// A Series is one line, with its name at its right end.
type Series struct {
	Name   string
	Dashed bool
	Points []Point // from left to right; both coordinates above 0
}

// A Point is of a series.
type Point struct{ X, Y float64 }

const (
	width, height           = 860, 480
	left, right, top, under = 70, 190, 50, 60
	lineHeight              = 16 // between names
)

// The colours are apart in hue and lightness, and have contrast enough on white
// and on near black.
var colours = []string{"#d1495b", "#e07a1f", "#a8741a", "#4c9a2a", "#1b998b", "#2a7fc9", "#6a67ce", "#b04fc0", "#8a8f98", "#c2547f"}

// SVG returns the chart.
func (c Chart) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n", width, height, width, height, html.EscapeString(c.Title))
	b.WriteString(`<style>
.ground{fill:#fff}.text{fill:#24292f;font:13px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.grid{stroke:#8c959f;stroke-opacity:.35}.line{fill:none;stroke-width:2}
@media (prefers-color-scheme:dark){.ground{fill:#0d1117}.text{fill:#e6edf3}}
</style>
`)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text class="text title" x="%d" y="28">%s</text>`+"\n", left, html.EscapeString(c.Title))
	x, y := c.axes()
	c.grid(&b, x, y)
	for i, s := range c.Series {
		c.line(&b, s, colours[i%len(colours)], x, y)
	}
	c.names(&b, x, y)
	b.WriteString("</svg>\n")
	return b.String()
}

// An axis places values between two ends, by their logarithms.
type axis struct {
	low, high float64 // values
	from, to  float64 // places
}

func (a axis) place(v float64) float64 {
	return a.from + (a.to-a.from)*math.Log(v/a.low)/math.Log(a.high/a.low)
}

// axes returns axes that hold all points.
func (c Chart) axes() (x, y axis) {
	x = axis{math.Inf(1), 0, left, width - right}
	y = axis{math.Inf(1), 0, height - under, top}
	for _, s := range c.Series {
		for _, p := range s.Points {
			x.low, x.high = min(x.low, p.X), max(x.high, p.X)
			y.low, y.high = min(y.low, p.Y), max(y.high, p.Y)
		}
	}
	if x.high == 0 {
		x.low, x.high, y.low, y.high = 1, 10, 1, 10
	}
	if x.low == x.high {
		x.low, x.high = x.low/2, x.high*2
	}
	y.low, y.high = y.low*0.8, y.high*1.25
	return x, y
}

// grid draws the axes' lines and numbers.
func (c Chart) grid(b *strings.Builder, x, y axis) {
	for _, v := range steps(y.low, y.high) {
		at := y.place(v)
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%d"/><text class="text" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, at, width-right, left-8, at+4, number(v))
	}
	var seen []float64
	for _, s := range c.Series {
		for _, p := range s.Points {
			if slices.Contains(seen, p.X) {
				continue
			}
			seen = append(seen, p.X)
			at := x.place(p.X)
			fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%d"/><text class="text" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", at, top, height-under, at, height-under+20, number(p.X))
		}
	}
	fmt.Fprintf(b, `<text class="text" x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-under+44, html.EscapeString(c.X))
	fmt.Fprintf(b, `<text class="text" transform="translate(18 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-under)/2, html.EscapeString(c.Y))
}

// steps returns 1, 2 and 5 times the powers of ten between low and high.
func steps(low, high float64) (values []float64) {
	for ten := math.Pow10(int(math.Floor(math.Log10(low)))); ten <= high; ten *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if v := n * ten; v >= low && v <= high {
				values = append(values, v)
			}
		}
	}
	return values
}

// number writes v without needless digits.
func number(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%.0f k", v/1000)
	}
	return fmt.Sprintf("%g", v)
}

func (c Chart) line(b *strings.Builder, s Series, colour string, x, y axis) {
	dash := ""
	if s.Dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	path := "M"
	for i, p := range s.Points {
		if i > 0 {
			path += "L"
		}
		path += fmt.Sprintf("%.1f %.1f", x.place(p.X), y.place(p.Y))
	}
	fmt.Fprintf(b, `<path class="line" stroke="%s"%s d="%s"/>`+"\n", colour, dash, path)
	for _, p := range s.Points {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.place(p.X), y.place(p.Y), colour)
	}
}

// names writes each line's name beside its end, moved apart where they would
// lie over each other.
func (c Chart) names(b *strings.Builder, x, y axis) {
	type name struct {
		text, colour string
		end          Point   // on the paper
		at           float64 // where it is written
	}
	var all []name
	for i, s := range c.Series {
		if len(s.Points) == 0 {
			continue
		}
		last := s.Points[len(s.Points)-1]
		end := Point{x.place(last.X), y.place(last.Y)}
		all = append(all, name{text: s.Name, colour: colours[i%len(colours)], end: end, at: end.Y})
	}
	slices.SortStableFunc(all, func(a, b name) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(all); i++ { // downwards,
		all[i].at = max(all[i].at, all[i-1].at+lineHeight)
	}
	floor := float64(height - under + lineHeight)
	for i := len(all) - 1; i >= 0; i-- { // and up again where that went over the edge
		all[i].at = min(all[i].at, floor)
		floor = all[i].at - lineHeight
	}
	for _, n := range all {
		fmt.Fprintf(b, `<path stroke="%s" stroke-opacity=".5" fill="none" d="M%.1f %.1fL%.1f %.1f"/><text class="text" x="%.1f" y="%.1f">%s</text>`+"\n",
			n.colour, n.end.X+4, n.end.Y, n.end.X+26, n.at, n.end.X+30, n.at+4, html.EscapeString(n.text))
	}
}
