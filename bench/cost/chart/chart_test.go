package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestSVG(t *testing.T) {
	c := Chart{Title: "a < b", X: "x", Y: "y"}
	for i := range 9 { // all end in nearly the same place
		c.Series = append(c.Series, Series{Name: fmt.Sprintf("line %d", i), Points: []Point{{0.1, 1000}, {1, 300}, {50, 200 + float64(i)}}})
	}
	svg := c.SVG()
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("got %v, want XML:\n%s", err, svg)
		}
	}
	for _, want := range []string{"a &lt; b", "line 0", "line 8", "prefers-color-scheme:dark", ">0.1</text>", ">500</text>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("got no %q", want)
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("got a place that is none")
	}
	apart(t, svg)
}

// apart checks that no name lies over another, or beyond the edge.
func apart(t *testing.T, svg string) {
	t.Helper()
	var last float64
	for i, match := range regexp.MustCompile(`y="([\d.]+)">line \d`).FindAllStringSubmatch(svg, -1) {
		at, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && at < last+lineHeight-1 || at > height {
			t.Errorf("name %d is at %v, and the one before at %v", i, at, last)
		}
		last = at
	}
}

func TestNothingAndLittle(t *testing.T) {
	for _, c := range []Chart{{}, {Series: []Series{{Name: "a"}}}, {Series: []Series{{Name: "a", Points: []Point{{1, 1}}}}}} {
		if svg := c.SVG(); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("got %s", svg)
		}
	}
}
