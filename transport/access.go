package transport

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/pabal/pabal"
)

// An Authenticator says who sent a request, and what that allows.
type Authenticator interface {
	// Grant returns what the sender of r may do, by the token in it, or by what
	// anybody may. The error says what is wrong with the token.
	Grant(r *http.Request) (pabal.Grant, error)

	// Renew returns what the holder of token may do.
	Renew(ctx context.Context, token string) (pabal.Grant, error)

	// Restore returns the grant that has claims, as another node made it.
	Restore(claims []byte) (pabal.Grant, error)
}

// A Presence says who is in a channel. It is known by its connection,
// [pabal.Grant].Connection.
type Presence interface {
	// Join has the holder of g present in ch, with data, or g's if that is nil,
	// from when it returns without an error until Leave was called as often. With
	// stay it is present for so long, or until the next Join, and no Leave is
	// owed.
	Join(ctx context.Context, g pabal.Grant, ch pabal.Channel, data []byte, stay time.Duration) error

	// Leave has it absent: at once, or if it does not come again soon. It does
	// not block.
	Leave(g pabal.Grant, ch pabal.Channel, atOnce bool)

	// EndStay ends what a stay was given for. It does not block.
	EndStay(g pabal.Grant, ch pabal.Channel)
}

// Calls are what is asked of the application. Its answers are entries of the
// asker's inbox, keyed by the call's id: of type "part", of which others follow,
// "answer", or "failed", whose data is a problem (RFC 9457).
type Calls interface {
	// Call asks m of ch under m.ID, the asker's name for it, to be answered within
	// timeout; 0 is the longest there may be. A call that was asked before is not
	// asked again. After an error nothing was asked, and nothing will come.
	Call(ctx context.Context, g pabal.Grant, ch pabal.Channel, m pabal.Message, timeout time.Duration) error

	// Cancel ends the call of that id, which is answered as failed.
	Cancel(ctx context.Context, g pabal.Grant, id string) error

	// Answer answers the call that is known to who answers for ch by ref. Its
	// type is one of the three.
	Answer(ctx context.Context, g pabal.Grant, ch pabal.Channel, ref string, m pabal.Message) error
}

// anyone grants everything to everybody. It is what a handler without an
// Authenticator has.
type anyone struct{}

func (anyone) Grant(*http.Request) (pabal.Grant, error)           { return pabal.Grant{}, nil }
func (anyone) Renew(context.Context, string) (pabal.Grant, error) { return pabal.Grant{}, nil }
func (anyone) Restore([]byte) (pabal.Grant, error)                { return pabal.Grant{}, nil }

// address returns who is counted as one client: those on the same machine are
// not counted, and those of one IPv6 network are counted together.
func address(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	switch ip := at.Addr().Unmap().WithZone(""); {
	case err != nil:
		return r.RemoteAddr
	case ip.IsLoopback():
		return ""
	case ip.Is6():
		return netip.PrefixFrom(ip, 64).Masked().String()
	default:
		return ip.String()
	}
}
