package doctor

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text is the report for people: a table, and the advice in a paragraph.
func (r *Report) Text() string {
	var b strings.Builder
	b.WriteString(r.head())
	if len(r.Rows) > 0 {
		rows := [][]string{{"technique", "HTTP", "result", "first byte", "open", "delivery", ""}}
		for _, row := range r.Rows {
			rows = append(rows, []string{
				row.Technique, row.HTTP, row.Result, row.FirstByte.text(), row.Open.text(), row.Delivery.text(), row.Detail,
			})
		}
		b.WriteString("\n")
		b.WriteString(table(rows))
	}
	fmt.Fprintf(&b, "\n%s\n", wrapped(r.Advice, 100))
	return b.String()
}

// head says what was examined.
func (r *Report) head() string {
	parts := []string{r.Server}
	if r.TLS != nil {
		parts = append(parts, r.TLS.Version)
		if r.TLS.ALPN != "" {
			parts = append(parts, r.TLS.ALPN)
		}
	}
	if r.Via != "" {
		parts = append(parts, "via "+r.Via)
	}
	if r.Latency > 0 {
		parts = append(parts, "a request takes "+r.Latency.text())
	}
	if r.Beat > 0 {
		parts = append(parts, "heartbeat "+r.Beat.text())
	}
	if r.Watched > 0 {
		parts = append(parts, "watched for "+r.Watched.text())
	}
	text := strings.Join(parts, ", ") + "\n"
	if r.Left {
		text += fmt.Sprintf("The channel %s could not be deleted.\n", r.Channel)
	}
	return text
}

// table aligns all columns but the last.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// wrapped breaks text into lines of at most so many characters.
func wrapped(text string, most int) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case width == 0:
		case width+1+n > most:
			b.WriteByte('\n')
			width = 0
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += n
	}
	return b.String()
}
