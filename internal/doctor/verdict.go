package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// decide says which techniques to use, and why.
func (r *Report) decide() {
	r.Order = r.order()
	switch {
	case len(r.Order) == 0:
		r.Verdict = Nothing
	case slices.ContainsFunc(r.Rows, r.fails):
		r.Verdict = Degraded
	default:
		r.Verdict = Passes
	}
	r.Advice = strings.Join(slices.DeleteFunc(r.sentences(), func(s string) bool { return s == "" }), " ")
}

// fails reports whether a row speaks against the way to the server. That the
// server does not allow publishing does not.
func (r *Report) fails(row Row) bool {
	if row.Technique == post && r.Publish == Forbidden {
		return false
	}
	return row.Result != Passes && row.Result != Absent
}

// of returns the row that counts for a technique: that of the version of HTTP
// by which a browser would use it, unless nothing at all passes over that.
func (r *Report) of(technique string) (row Row) {
	broken := r.broken()
	for _, other := range r.Rows {
		if other.Technique == technique && (row.Technique == "" || other.Result != Absent && !broken) {
			row = other
		}
	}
	return row
}

// broken reports whether nothing passes over HTTP/2, though the server speaks it.
func (r *Report) broken() bool {
	var there bool
	for _, row := range r.Rows {
		if row.HTTP != "2" {
			continue
		}
		if there = true; !slices.Contains([]string{Failed, Silent, Absent}, row.Result) {
			return false
		}
	}
	return there
}

// Grades of techniques, the best first.
const (
	pushes  = iota // entries come at once
	returns        // they do, though it is cut again and again
	answers        // they come when they are asked for
	limps          // it is cut all the time
	useless
)

// grade says of how much use a technique is.
func (r *Report) grade(technique string) int {
	row := r.of(technique)
	switch {
	case row.Result == Passes && technique == poll:
		return answers
	case row.Result == Passes:
		return pushes
	case row.Result == Cut && time.Duration(row.Cut) >= soon:
		return returns
	case row.Result == Cut && row.Delivered > 0:
		return limps
	}
	return useless
}

// order returns the techniques that are of use, the best first.
func (r *Report) order() []string {
	order := []string{}
	for _, technique := range techniques {
		if r.grade(technique) < useless {
			order = append(order, technique)
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(r.grade(a), r.grade(b)) })
	return order
}

// sentences are the advice.
func (r *Report) sentences() []string {
	if r.Problem != "" {
		return []string{fmt.Sprintf("Nothing could be tried at %s: %s.", r.Server, strings.TrimSuffix(r.Problem, "."))}
	}
	return []string{r.use(), r.stripped(), r.offered(), r.buffered(), r.cut(), r.others(), r.published(), r.beats()}
}

// use says which to use.
func (r *Report) use() string {
	if len(r.Order) == 0 {
		return fmt.Sprintf("Nothing passes between here and %s, though there is a server.", r.Server)
	}
	text := fmt.Sprintf("All that was tried passes between here and %s: use %s", r.Server, r.Order[0])
	if r.Verdict != Passes {
		text = fmt.Sprintf("Not all passes between here and %s: use %s", r.Server, r.Order[0])
	}
	if len(r.Order) > 1 {
		text += ", and where that fails " + strings.Join(r.Order[1:], ", then ")
	}
	if row := r.of(r.Order[0]); row.Delivery > 0 {
		text += fmt.Sprintf("; with %s an entry is here %s after it was published", row.Technique, row.Delivery.text())
	}
	return text + "."
}

func (r *Report) stripped() string {
	if !r.has(websocket, Stripped) {
		return ""
	}
	text := "WebSocket does not pass, because something on the way takes Upgrade out of the request"
	if r.TLS == nil {
		text += "; over https, which it could not look into, it might"
	}
	return text + ". A proxy of your own must be told to pass on Upgrade and Connection."
}

func (r *Report) offered() string {
	if r.broken() {
		return "Nothing passes over HTTP/2, which browsers would use, as the server speaks it by TLS: turn it off there, or mend what is on the way."
	}
	for _, row := range r.Rows {
		if row.Technique == websocket && row.HTTP == "2" && row.Result != Passes && row.Result != Absent {
			return "WebSocket over HTTP/2 is offered and does not pass, so browsers have no WebSocket here: set websocket-h2 to off, or have the proxy not offer it."
		}
	}
	return ""
}

func (r *Report) buffered() string {
	list := r.those(Buffered)
	if list == "" {
		return ""
	}
	held := 0
	for _, row := range r.Rows {
		if row.Result == Buffered {
			held = max(held, row.Held)
		}
	}
	text := fmt.Sprintf("Something on the way buffers: what is sent by %s comes late, or only when the response ends", list)
	if held > 0 {
		text = fmt.Sprintf("Something on the way buffers: what is sent by %s does not come until about %d KiB are together", list, (held+1023)>>10)
	}
	return text + ". A proxy of your own must be told not to buffer responses; else use what is named here."
}

func (r *Report) cut() string {
	list := r.those(Cut)
	if list == "" {
		return ""
	}
	after := time.Duration(0)
	for _, row := range r.Rows {
		if row.Result == Cut && (after == 0 || time.Duration(row.Cut) < after) {
			after = time.Duration(row.Cut)
		}
	}
	text := fmt.Sprintf("Something on the way cuts connections: %s after %s.", list, Millis(after).text())
	if after < soon {
		return text + " That is too soon for anything but short requests: a client goes on at its cursor after each cut, and is busy with that."
	}
	text += " Nothing is lost by that, as a client goes on at its cursor."
	if beat := time.Duration(r.Beat); beat == 0 || beat >= after {
		text += fmt.Sprintf(" If it is silence that is cut, a heartbeat of the server below %s keeps connections.", Millis(after).text())
	}
	return text
}

// others says what else does not pass, once for each reason.
func (r *Report) others() string {
	var list []string
	for _, row := range r.Rows {
		if !r.fails(row) || row.Technique == post || row.HTTP == "2" && r.broken() || slices.Contains([]string{Buffered, Cut, Stripped}, row.Result) {
			continue
		}
		if text := fmt.Sprintf("%s over HTTP/%s: %s.", row.Technique, row.HTTP, row.Detail); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, " ")
}

func (r *Report) published() string {
	row := r.of(post)
	switch r.Publish {
	case Forbidden:
		return fmt.Sprintf("Publishing to %s is not allowed (%d), so it was seen only that techniques open: give a --token, or with --channel a channel that you may publish to.", r.Channel, row.Status)
	case Failed:
		return fmt.Sprintf("Publishing does not pass: %s. So it was seen only that techniques open.", row.Detail)
	}
	for _, row := range r.Rows {
		if row.Technique == post && r.fails(row) && (row.HTTP != "2" || !r.broken()) {
			return fmt.Sprintf("Publishing over HTTP/%s does not pass: %s.", row.HTTP, row.Detail)
		}
	}
	return ""
}

// beats says where signs of life are missing.
func (r *Report) beats() string {
	for _, row := range r.Rows {
		if row.Result == Passes && r.Beat > 0 && row.Technique != poll && row.Technique != longpoll && row.Silence > r.Beat*2 {
			return fmt.Sprintf("Signs of life are missing: by %s nothing came for %s, where something is due every %s.", row.Technique, row.Silence.text(), r.Beat.text())
		}
	}
	return ""
}

func (r *Report) has(technique, result string) bool {
	return slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Technique == technique && row.Result == result })
}

// those lists the techniques with a result, each once.
func (r *Report) those(result string) string {
	var list []string
	for _, row := range r.Rows {
		if row.Result == result && !slices.Contains(list, row.Technique) {
			list = append(list, row.Technique)
		}
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
