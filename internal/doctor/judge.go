package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/pabal/pabal/internal/h2connect"
)

// judge says what was seen of a reader.
func (x *exam) judge(r *reader) Row {
	row := Row{
		Technique: r.technique, HTTP: r.http, FirstByte: since(r.began, r.first), Open: since(r.began, r.opened),
		Delivery: Millis(median(r.delivered)), Delivered: len(r.arrived), Late: r.late, Held: r.held, Silence: Millis(r.silence),
	}
	switch {
	case r.failure != nil:
		x.judgeFailure(r, &row)
	case r.tardy || r.opened.IsZero():
		judgeTardy(r, &row)
	case r.late > 0:
		row.Result = Buffered
		row.Detail = "it opens, and then what is published comes late" + enough(r.held)
	case !r.mute.IsZero():
		row.Result, row.Cut = Cut, since(r.began, r.missed())
		row.Detail = fmt.Sprintf("it fell silent within %s: it is still open, and nothing comes any more", row.Cut.text())
	case x.broke(r):
		row.Result, row.Cut = Cut, since(r.began, r.ended)
		if r.technique == longpoll {
			row.Cut = since(r.asked, r.ended)
		}
		row.Detail = fmt.Sprintf("the connection was cut %s after it began, and %s after something came", row.Cut.text(), since(r.last, r.ended).text())
	default:
		row.Result, row.Detail = Passes, x.remark(r)
	}
	return row
}

// missed returns when at the latest nothing came any more.
func (r *reader) missed() time.Time {
	if due := r.last.Add(r.heartbeat); r.heartbeat > 0 && due.Before(r.mute) {
		return due
	}
	return r.mute
}

// since returns how long it was from one moment to another, if both have come.
func since(from, to time.Time) Millis {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return Millis(to.Sub(from))
}

// soon is within what time no server ends a response.
const soon = 10 * time.Second

// broke reports whether r was ended by something other than the server.
func (x *exam) broke(r *reader) bool {
	if r.ended.IsZero() || r.closed {
		return false
	}
	return !errors.Is(r.err, errEnded) || r.ended.Sub(r.began) < soon
}

// remark says what else is of interest of a technique that passes.
func (x *exam) remark(r *reader) string {
	beat := r.heartbeat
	switch {
	case errors.Is(r.err, errEnded):
		return fmt.Sprintf("the response was ended in good order after %s, as the server does by rotate-after", since(r.began, r.ended).text())
	case beat > 0 && r.silence > beat*3/2+x.options.Patience:
		return fmt.Sprintf("nothing came for %s, where a sign of life is due every %v", Millis(r.silence).text(), beat)
	case len(r.arrived) == 0:
		return "it opens; with an entry it was not tried"
	}
	return ""
}

// judgeFailure is for what did not open because of an answer or an error.
func (x *exam) judgeFailure(r *reader, row *Row) {
	f := r.failure
	x.explain(f, row)
	isSocket := r.technique == websocket
	switch {
	case f.err != nil && (errors.Is(f.err, h2connect.ErrNotOffered) || errors.Is(f.err, errUntried)):
		row.Result = Absent
		if errors.Is(f.err, h2connect.ErrNotOffered) {
			row.Detail = "the server does not offer it; browsers then use HTTP/1.1"
		}
	case f.err != nil:
		row.Result = Failed
	case isSocket && f.status == http.StatusNotImplemented && r.http == "2":
		row.Detail = "it is offered and refused with 501, so browsers have no WebSocket here: what offers it must relay it, or not offer it (websocket-h2: off)"
	case isSocket && f.proxyStatus == "" && strips(f.status):
		row.Result = Stripped
		row.Detail = fmt.Sprintf("asked to become a WebSocket, the server answers %d, as if it had not been: Upgrade does not arrive", f.status)
	}
}

// strips reports whether a status is the answer to a WebSocket's request from
// which Upgrade was removed.
func strips(status int) bool {
	return status/100 == 2 || slices.Contains([]int{http.StatusBadRequest, http.StatusUpgradeRequired}, status)
}

// explain has row say what f is.
func (x *exam) explain(f *failure, row *Row) {
	row.Result, row.Status, row.ProxyStatus, row.RetryAfter = Refused, f.status, f.proxyStatus, Millis(f.retryAfter)
	if row.Detail = f.text(); f.err != nil {
		row.Result, row.Detail = Failed, x.words(f.err)
	}
}

// judgeTardy is for what did not open in time, and was not refused.
func judgeTardy(r *reader, row *Row) {
	row.Result = Buffered
	switch {
	case r.held > 0:
		row.Detail = "nothing comes" + enough(r.held)
	case r.opened.IsZero():
		row.Result, row.Detail = Silent, "nothing came, with 64 KiB either"
		if !slices.Contains(streaming, r.technique) {
			row.Detail = "no answer came"
		}
	case r.released:
		row.Detail = "nothing comes until the response has ended"
	default:
		row.Detail = fmt.Sprintf("it opened only after %s", row.Open.text())
	}
}

// enough says how many bytes were enough.
func enough(held int) string {
	if held == 0 {
		return ""
	}
	return fmt.Sprintf(" until about %d KiB are together", (held+1023)>>10)
}

// judgePost says what was seen of publishing.
func (x *exam) judgePost(p *poster) Row {
	row := Row{Technique: post, HTTP: p.http, Result: Passes, Open: Millis(median(p.took)), Delivered: len(p.took)}
	if p.failure != nil {
		x.explain(p.failure, &row)
	}
	if len(p.took) == 0 && p.failure == nil {
		row.Result, row.Detail = Absent, "not tried"
	}
	return row
}
