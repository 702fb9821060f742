package websocket

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// These are cases in the spirit of the Autobahn test suite, and numbered as there, over raw sockets. Each expects the
// strict outcome. Sections 9, 10, 12 and 13 are in autobahn_load_test.go.

type socketCase struct {
	name string
	in   []byte   // what the client sends
	want []string // what it gets up to the end of the connection
}

var bye = masked(0x88, closePayload(1000, ""))

const closed = `close 1000 ""`

// runSockets sends each case in one write, in frames' worth of pieces, and byte by byte.
func runSockets(t *testing.T, cases []socketCase) {
	server := startEcho(t, Config{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{len(c.in), 997, 1} {
				if size == 1 && len(c.in) > 1000 {
					continue
				}
				client := dialRaw(t, server, "")
				client.send(c.in, size)
				got := client.receive()
				for i, g := range got { // the reason of a failure is ours to choose
					if code, _, ok := strings.Cut(g, ` "`); ok && strings.HasPrefix(c.want[min(i, len(c.want)-1)], "failed ") {
						got[i] = strings.Replace(code, "close", "failed", 1)
					}
				}
				if !slices.Equal(got, c.want) {
					t.Fatalf("in pieces of %d: got %q, want %q", size, got, c.want)
				}
			}
		})
	}
}

func echoOf(op Opcode, payload string) string {
	return Event{Op: op, Payload: []byte(payload)}.String()
}

func TestAutobahn1And2(t *testing.T) {
	var cases []socketCase
	for i, size := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		text, binary := strings.Repeat("*", size), strings.Repeat("\xfe", size)
		cases = append(cases,
			socketCase{fmt.Sprintf("1.1.%d", i+1), join(masked(0x81, text), bye), []string{echoOf(OpText, text), closed}},
			socketCase{fmt.Sprintf("1.2.%d", i+1), join(masked(0x82, binary), bye), []string{echoOf(OpBinary, binary), closed}},
		)
	}
	for i, payload := range []string{"", "Hello, world!", "\x00\xff\xfe\xfd\xfc\xfb\x00\xff", strings.Repeat("\xfe", 125)} {
		cases = append(cases, socketCase{fmt.Sprintf("2.%d", i+1), join(masked(0x89, payload), bye), []string{echoOf(OpPong, payload), closed}})
	}
	ten, tenPongs := bye, []string{closed}
	for i := 9; i >= 0; i-- {
		payload := fmt.Sprintf("payload-%d", i)
		ten, tenPongs = join(masked(0x89, payload), ten), append([]string{echoOf(OpPong, payload)}, tenPongs...)
	}
	runSockets(t, append(cases,
		socketCase{"2.5", masked(0x89, strings.Repeat("\xfe", 126)), []string{"failed 1002"}},
		socketCase{"2.7", join(masked(0x8a, ""), bye), []string{closed}},
		socketCase{"2.8", join(masked(0x8a, "unsolicited"), bye), []string{closed}},
		socketCase{"2.9", join(masked(0x8a, "unsolicited"), masked(0x89, "ping"), bye), []string{`pong "ping"`, closed}},
		socketCase{"2.10", ten, tenPongs},
	))
}

func TestAutobahn3And4(t *testing.T) {
	hello := masked(0x81, "Hello, world!")
	var cases []socketCase
	for rsv := byte(1); rsv <= 7; rsv++ {
		cases = append(cases, socketCase{fmt.Sprintf("3.%d", rsv), join(hello, masked(0x81|rsv<<4, "Hello, world!"), masked(0x89, "")),
			[]string{`text "Hello, world!"`, "failed 1002"}})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases, socketCase{fmt.Sprintf("4.x opcode %d", op), join(hello, masked(0x80|op, "reserved"), masked(0x89, "")),
			[]string{`text "Hello, world!"`, "failed 1002"}})
	}
	runSockets(t, cases)
}

func TestAutobahn5(t *testing.T) {
	f1, f2, last := masked(0x01, "fragment1"), masked(0x80, "fragment2"), `text "fragment1fragment2"`
	ping, pong := masked(0x89, "ping payload"), `pong "ping payload"`
	runSockets(t, []socketCase{
		{"5.1", masked(0x09, "fragment1"), []string{"failed 1002"}},
		{"5.2", masked(0x0a, "fragment1"), []string{"failed 1002"}},
		{"5.3", join(f1, f2, bye), []string{last, closed}},
		{"5.6", join(f1, ping, f2, bye), []string{pong, last, closed}},
		{"5.9", join(masked(0x80, "non-continuation"), masked(0x81, "Hello, world!")), []string{"failed 1002"}},
		{"5.12", join(masked(0x00, "non-continuation"), masked(0x81, "Hello, world!")), []string{"failed 1002"}},
		{"5.15", join(f1, f2, masked(0x00, "fragment3"), masked(0x81, "fragment4")), []string{last, "failed 1002"}},
		{"5.16", join(masked(0x00, "fragment1"), masked(0x01, "fragment2"), masked(0x80, "fragment3")), []string{"failed 1002"}},
		{"5.18", join(f1, masked(0x81, "fragment2")), []string{"failed 1002"}},
		{"5.19", join(f1, masked(0x00, "fragment2"), ping, masked(0x00, "fragment3"), masked(0x00, "fragment4"), ping, masked(0x80, "fragment5"), bye),
			[]string{pong, pong, `text "fragment1fragment2fragment3fragment4fragment5"`, closed}},
	})
}

func TestAutobahn7(t *testing.T) {
	var cases []socketCase
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, socketCase{fmt.Sprintf("7.7 code %d", code), masked(0x88, closePayload(code, "")), []string{fmt.Sprintf(`close %d ""`, code)}})
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, socketCase{fmt.Sprintf("7.9 and 7.13 code %d", code), masked(0x88, closePayload(code, "")), []string{"failed 1002"}})
	}
	hello := masked(0x81, "Hello World!")
	big := strings.Repeat("BAsd7&jh23", 26215)[:256<<10]
	runSockets(t, append(cases,
		socketCase{"7.1.1", join(hello, bye), []string{`text "Hello World!"`, closed}},
		socketCase{"7.1.2", join(bye, bye), []string{closed}},
		socketCase{"7.1.3", join(bye, masked(0x89, "")), []string{closed}},
		socketCase{"7.1.4", join(bye, hello), []string{closed}},
		socketCase{"7.1.5", join(masked(0x01, "fragment1"), bye, masked(0x80, "fragment2")), []string{closed}},
		socketCase{"7.1.6", join(masked(0x81, big), hello, bye, masked(0x89, "")), []string{echoOf(OpText, big), `text "Hello World!"`, closed}},
		socketCase{"7.3.1", masked(0x88, ""), []string{`close 1005 ""`}},
		socketCase{"7.3.2", masked(0x88, "a"), []string{"failed 1002"}},
		socketCase{"7.3.3", bye, []string{closed}},
		socketCase{"7.3.4", masked(0x88, closePayload(1000, "Hello World!")), []string{`close 1000 "Hello World!"`}},
		socketCase{"7.3.5", masked(0x88, closePayload(1000, strings.Repeat("*", 123))), []string{`close 1000 "` + strings.Repeat("*", 123) + `"`}},
		socketCase{"7.3.6", masked(0x88, closePayload(1000, strings.Repeat("*", 124))), []string{"failed 1002"}},
		socketCase{"7.5.1", masked(0x88, closePayload(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65")), []string{"failed 1007"}},
	))
}
