package websocket

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// utf8Sequences follow Markus Kuhn's UTF-8 decoder stress test. What is valid among them the standard library says.
func utf8Sequences() []string {
	list := []string{
		"hello$world", "hello\u00a2world", "hello\u20acworld", "hello\U00024B62world", "\x00", "\u0080", "\u0800", "\U00010000",
		"\x7f", "\u07ff", "\uffff", "\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffe",
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf", "\xf4\x90\x80\x80",
		"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\xfe", "\xff", "\xfe\xfe\xff\xff",
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf",
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf",
		"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80",
		"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf",
		"\xed\xa0\x80\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf", "\xed\xaf\xbf\xed\xbf\xbf",
	}
	greek := "κόσμε"
	for i := range len(greek) {
		list = append(list, greek[:i+1])
	}
	missing := []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}
	list = append(append(list, missing...), strings.Join(missing, ""))
	for lead := 0xc0; lead <= 0xfd; lead++ {
		list = append(list, string([]byte{byte(lead), ' '}))
	}
	for plane := rune(0); plane <= 0x10; plane++ { // non-characters, which are valid
		list = append(list, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return list
}

func TestAutobahn6(t *testing.T) {
	var cases []socketCase
	for i, s := range utf8Sequences() {
		want := []string{"failed 1007"}
		if utf8.ValidString(s) {
			want = []string{echoOf(OpText, s), closed}
		}
		cases = append(cases,
			socketCase{fmt.Sprintf("6.5 to 6.23, %d", i), join(masked(0x81, s), bye), want},
			socketCase{fmt.Sprintf("6.5 to 6.23, %d, bytes", i), join(fragmented(0x01, pieces(s, 1)...), bye), want},
		)
	}
	text, bad := "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε\xed\xa0\x80edited"
	runSockets(t, append(cases,
		socketCase{"6.1.1", join(masked(0x81, ""), bye), []string{`text ""`, closed}},
		socketCase{"6.1.2", join(fragmented(0x01, "", "", ""), bye), []string{`text ""`, closed}},
		socketCase{"6.1.3", join(fragmented(0x01, "", "middle frame payload", ""), bye), []string{`text "middle frame payload"`, closed}},
		socketCase{"6.2.1", join(masked(0x81, text), bye), []string{echoOf(OpText, text), closed}},
		socketCase{"6.2.2", join(fragmented(0x01, text[:12], text[12:]), bye), []string{echoOf(OpText, text), closed}},
		socketCase{"6.2.3", join(fragmented(0x01, pieces(text, 1)...), bye), []string{echoOf(OpText, text), closed}},
		socketCase{"6.3.1", join(masked(0x81, bad), bye), []string{"failed 1007"}},
		socketCase{"6.3.2", join(fragmented(0x01, pieces(bad, 1)...), bye), []string{"failed 1007"}},
	))
}

// Section 6.4: the connection fails while the message, or even the frame, is not complete.
func TestAutobahn6FailsFast(t *testing.T) {
	server := startEcho(t, Config{})
	head, tail := "κόσμε\xf4", "\x90"
	for name, in := range map[string][]byte{
		"6.4.1": join(masked(0x01, head[:10]), masked(0x00, "\xf4\x90\x80\x80")),
		"6.4.2": join(masked(0x01, head), masked(0x00, tail)),
		"6.4.3": masked(0x81, head+tail+strings.Repeat("a", 100))[:6+len(head)+1],
		"6.4.4": masked(0x81, head+tail)[:6+len(head)+1],
	} {
		client := dialRaw(t, server, "")
		client.send(in[:len(in)-1], 1)
		client.send(in[len(in)-1:], 1)
		if ev, ok := client.next(); !ok || ev.Op != OpClose || ev.Code != CodeInvalidPayload {
			t.Errorf("%s: got %v, want a close frame with 1007", name, ev)
		}
	}
}

// TestValidUTF8 compares with the definition: a text can be the beginning of valid UTF-8 if some ending makes it valid.
func TestValidUTF8(t *testing.T) {
	endings := []string{"", "\x80", "\x80\x80", "\x80\x80\x80", "\xa0", "\xa0\x80", "\x90\x80\x80"}
	check := func(text string) {
		want := false
		for _, e := range endings {
			want = want || utf8.ValidString(text+e)
		}
		whole, ok := validUTF8([]byte(text))
		if ok != want {
			t.Errorf("% x: got %v, want %v", text, ok, want)
		}
		if ok && (whole < len(text)-3 || !utf8.ValidString(text[:whole])) {
			t.Errorf("% x: %d bytes are not whole characters", text, whole)
		}
	}
	for a := range 256 {
		check(string([]byte{byte(a)}))
		for b := range 256 {
			check(string([]byte{byte(a), byte(b)}))
			for _, c := range []byte{0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xf0, 0xf4, 0xff} {
				check(string([]byte{byte(a), byte(b), c}))
				check(string([]byte{byte(a), byte(b), c, 0x80}))
			}
		}
	}
}
