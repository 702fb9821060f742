package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/auth"
	"github.com/pabal/pabal/internal/h2connect"
)

// forge makes a token that sign signs, which is noted as one that must not be
// logged.
func (s *siege) forge(header, claims string, sign func(text string) []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(header)) + "." + encode([]byte(claims))
	token += "." + encode(sign(token))
	s.secrets = append(s.secrets, token)
	return token
}

// with signs as HS256 does.
func with(secret string) func(string) []byte {
	return func(text string) []byte {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
}

func unsigned(string) []byte { return nil }

// claims are good ones, and what is added to them.
func claims(more string) string {
	return fmt.Sprintf(`{"iss":"https://issuer.test","aud":"pabal.test","exp":%d,"pabal":{"read":["chat"]}%s}`, time.Now().Add(time.Hour).Unix(), more)
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// A token that is not good is refused, whatever is wrong with it, and never
// taken for none.
func (s *siege) tokens(t *testing.T) {
	s.works(t, "GET", "/channels/chat?via=poll", "", bearer(s.forge(hs256, claims(""), with(testSecret)))) // only what is wrong is refused
	for _, bad := range slices.Concat(s.forged(t), s.stale(t), s.malformed(), s.excessive()) {
		for _, a := range []attempt{
			{method: "GET", path: "/channels/news/1?via=poll", header: []string{bearer(bad.token)}},
			{method: "POST", path: "/channels/chat?token=" + bad.token, body: "x"},
		} {
			a.what, a.status, a.says = bad.what, 401, bad.says
			s.attempts(t, a)
		}
	}
	s.everywhere(t)
	s.twice(t)
	s.long(t)
	s.refreshed(t)
}

// A badToken is refused with 401 and words.
type badToken struct{ what, token, says string }

func (s *siege) forged(t *testing.T) (all []badToken) {
	for _, none := range []string{"none", "None", "nOnE", "NONE", "", "HS512", `HS256\u0000`} {
		all = append(all,
			badToken{"alg " + none, s.forge(`{"alg":"`+none+`"}`, claims(""), unsigned), "the token's algorithm (alg)"},
			badToken{"alg " + none + ", signed", s.forge(`{"alg":"`+none+`"}`, claims(""), with(testSecret)), "the token's algorithm (alg)"})
	}
	for _, public := range s.public {
		for _, secret := range []string{string(public), strings.TrimSpace(string(public)), ""} {
			all = append(all, badToken{"a public key as the secret", s.forge(hs256, claims(""), with(secret)), "signature is not of a key that is known here"})
		}
	}
	mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := mine.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, encode(point[1:33]), encode(point[33:]))
	byMine := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		r, sig, err := ecdsa.Sign(rand.Reader, mine, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), sig.FillBytes(make([]byte, 32))...)
	}
	zeros := func(string) []byte { return make([]byte, 64) }
	const unknown = "signature is not of a key that is known here"
	return append(all,
		badToken{"another's key", s.forge(`{"alg":"ES256"}`, claims(""), byMine), unknown},
		badToken{"its own key", s.forge(`{"alg":"ES256","jwk":`+jwk+`}`, claims(""), byMine), unknown},
		badToken{"a URL of its own key", s.forge(`{"alg":"ES256","jku":"`+s.url+`/channels/news/1","x5u":"`+s.url+`"}`, claims(""), byMine), unknown},
		badToken{"a file as its key", s.forge(`{"alg":"HS256","kid":"../../../dev/null"}`, claims(""), with("")), unknown},
		badToken{"a signature of zeros", s.forge(`{"alg":"ES256"}`, claims(""), zeros), unknown},
		badToken{"a signature of zeros, EdDSA", s.forge(`{"alg":"EdDSA"}`, claims(""), zeros), unknown},
		badToken{"no signature", s.forge(hs256, claims(""), unsigned), unknown},
		badToken{"an extension", s.forge(`{"alg":"HS256","crit":["b64"],"b64":false}`, claims(""), with(testSecret)), "extensions that must be understood (crit)"},
		badToken{"two algorithms", s.forge(`{"alg":"none","alg":"HS256"}`, claims(""), with(testSecret)), `\"alg\" is there twice`},
	)
}

// stale tokens are well signed, and not for here or now.
func (s *siege) stale(t *testing.T) []badToken {
	ago, soon := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	signed := func(text string) string { return s.forge(hs256, text, with(testSecret)) }
	return []badToken{
		{"expired", s.token(t, auth.Claims{User: "ann", Expires: ago}), "the token expired at "},
		{"not yet good", s.token(t, auth.Claims{NotBefore: soon}), "(nbf)"},
		{"of another issuer", s.token(t, auth.Claims{Issuer: "https://evil.test"}), `is made by \"https://evil.test\" (iss), and must be by \"https://issuer.test\"`},
		{"for another audience", s.token(t, auth.Claims{Audience: []string{"other.test"}}), `(aud), and must be for \"pabal.test\"`},
		{"for no audience", signed(`{"iss":"https://issuer.test","exp":9999999999}`), `(aud), and must be for \"pabal.test\"`},
		{"of no issuer", signed(`{"aud":"pabal.test","exp":9999999999}`), "(iss), and must be by"},
		{"for ever", signed(`{"iss":"https://issuer.test","aud":"pabal.test"}`), "the token has no end"},
		{"until null", signed(`{"iss":"https://issuer.test","aud":"pabal.test","exp":null}`), "the token has no end"},
		{"until a text", signed(`{"iss":"https://issuer.test","aud":"pabal.test","exp":"9999999999"}`), `claim \"exp\"`},
		{"until beyond all numbers", signed(`{"iss":"https://issuer.test","aud":"pabal.test","exp":1e400}`), `claim \"exp\"`},
		{"until before all times", signed(`{"iss":"https://issuer.test","aud":"pabal.test","exp":-1}`), `claim \"exp\"`},
	}
}

func (s *siege) malformed() []badToken {
	signed := func(text string) string { return s.forge(hs256, text, with(testSecret)) }
	good := signed(claims(""))
	parts := strings.Split(good, ".")
	const not = "the token is not a JSON Web Token"
	return []badToken{
		{"empty", "", "is empty"},
		{"nonsense", "nonsense-that-is-none", not},
		{"two parts", parts[0] + "." + parts[1], not},
		{"four parts", good + ".x", not},
		{"padding", good + "=", not},
		{"a letter changed", good[:len(good)-2] + "--", "the token"},
		{"header of JSON that is none", s.forge(`{"alg":`, claims(""), unsigned), "the token's header"},
		{"header of a list", s.forge(`[]`, claims(""), unsigned), "not a JSON object"},
		{"claims of a list", signed(`[]`), "not a JSON object"},
		{"more than claims", signed(claims("") + "{}"), "something follows the JSON object"},
		{"two users", signed(claims(`,"sub":"ann","sub":"kim"`)), `\"sub\" is there twice`},
		{"rights in two places", signed(claims(`,"pabal":{"read":["*"]}`)), `\"pabal\" is there twice`},
		{"a user with NUL", signed(claims(`,"sub":"kim\u0000"`)), "control character"},
		{"a user with CR and LF", signed(claims(`,"sub":"kim\r\nkim"`)), "control character"},
		{"a user that is no text", signed(claims(`,"sub":["kim"]`)), "is not a string"},
		{"a right that is not known", signed(strings.Replace(claims(""), `"read"`, `"admin"`, 1)), `a member \"admin\"`},
		{"a pattern that is none", signed(strings.Replace(claims(""), `"chat"`, `"a b"`, 1)), "matches no channel"},
		{"a pattern with **", signed(strings.Replace(claims(""), `"chat"`, `"**"`, 1)), "two * in a row"},
		{"a pattern with CR", signed(strings.Replace(claims(""), `"chat"`, `"chat\r"`, 1)), "matches no channel"},
	}
}

// excessive tokens have too much of something.
func (s *siege) excessive() []badToken {
	signed := func(text string) string { return s.forge(hs256, text, with(testSecret)) }
	own := func(text string) string { return signed(strings.Replace(claims(""), `{"read":["chat"]}`, text, 1)) }
	deep := strings.Repeat("[", 2500) + strings.Repeat("]", 2500)
	return []badToken{
		{"too long", signed(claims(`,"x":"` + strings.Repeat("x", 6000) + `"`)), `"limit":"token-bytes","max":8192`},
		{"deep claims", signed(claims(`,"sub":` + deep)), "is not a string"},
		{"a deep header", s.forge(`{"alg":`+deep+`}`, claims(""), unsigned), "(alg) is not a string"},
		{"many patterns", own(`{"read":["a"` + strings.Repeat(`,"a"`, 100) + `]}`), `"limit":"token-patterns","max":100`},
		{"a long pattern", own(`{"read":["` + strings.Repeat("a", 256) + `"]}`), `"limit":"token-pattern-bytes","max":255`},
		{"much data", own(`{"data":"` + strings.Repeat("a", 4<<10) + `"}`), `"limit":"token-data-bytes","max":4096`},
		{"a long user", signed(claims(`,"sub":"` + strings.Repeat("a", 256) + `"`)), `"limit":"token-user-bytes","max":255`},
		{"a long key id", s.forge(`{"alg":"HS256","kid":"`+strings.Repeat("a", 256)+`"}`, claims(""), with(testSecret)), "in 256 bytes, 255 at most"},
	}
}

// everywhere that a token is taken, a dead one is refused, and none is not
// enough.
func (s *siege) everywhere(t *testing.T) {
	dead := s.token(t, auth.Claims{User: "ann", Expires: time.Now().Add(-time.Second), Rights: auth.Rights{Read: []string{"*"}, Publish: []string{"*"}, See: []string{"*"}}})

	for _, a := range []attempt{
		{method: "GET", path: "/channels/chat?via=poll", says: "read channel"},
		{method: "GET", path: "/channels/chat?via=longpoll", says: "read channel"},
		{method: "GET", path: "/channels/chat?via=sse", says: "read channel"},
		{method: "GET", path: "/channels/chat?via=stream", says: "read channel"},
		{method: "GET", path: "/channels/chat?via=multipart", says: "read channel"},
		{method: "GET", path: "/channels/chat?via=page", says: "read channel"},
		{method: "GET", path: "/channels?channel=news/1&channel=chat", says: "read channel"},
		{method: "GET", path: "/channels/chat?before=x-1", says: ""},
		{method: "GET", path: "/channels/chat", header: upgrade, says: "read channel"},
		{method: "GET", path: "/channels/chat", header: append([]string{"Sec-WebSocket-Protocol: pabal.v1"}, upgrade...), says: "read channel"},
		{method: "HEAD", path: "/channels/chat"},
		{method: "POST", path: "/channels/chat", body: "x", says: "publish to channel"},
		{method: "POST", path: "/channels/news/1", body: "x", says: "publish to channel"},
		{method: "POST", path: "/channels/chat?close", says: "publish to channel"},
		{method: "DELETE", path: "/channels/chat", says: "publish to channel"},
		{method: "GET", path: "/channels", says: "a list of channels is for who has a token"},
		{method: "GET", path: "/channels?prefix=$", says: "a list of channels is for who has a token"},
		{method: "GET", path: "/presence/chat", says: "see who is in channel"},
		{method: "GET", path: "/presence/news/1", says: "see who is in channel"},
		{method: "HEAD", path: "/presence/chat"},
		{method: "GET", path: "/channels/$presence/news/1?via=poll", says: "see who is in channel"},
		{method: "GET", path: "/channels/$host/cpu?via=poll", says: "read channel"},
		{method: "GET", path: "/channels/$calls/shop?via=poll", says: "read channel"},
		commanded("", "", "", `{"id":1,"command":"publish","channel":"chat","data":"x"}`, 0, "publish to channel"),
		commanded("", "", "?connection="+someConnection, `{"id":1,"command":"subscribe","channel":"chat"}`, 0, "read channel"),
		commanded("", "", "?connection="+someConnection, `{"id":1,"command":"presence","channel":"chat"}`, 0, "read channel"),
		commanded("", "", "?connection="+someConnection, `{"id":1,"command":"call","channel":"shop","call":"1"}`, 0, "call channel"),
		commanded("", "", "?connection="+someConnection, `{"id":1,"command":"answer","channel":"shop","ref":"AAAAAAAAAAAAAAAAAAAAAA"}`, 0, "read channel"),
		commanded("", "", "", `{"id":1,"command":"subscribe","channel":"chat","read":"/channels/news/1?via=poll"}`, 0, "read channel"),
	} {
		a.what, a.status = "without a token", 401
		if a.path == "/channels/chat?before=x-1" {
			a.path = "/channels/chat?since=all"
		}
		s.attempts(t, a)
		a.what, a.header, a.says = "with a dead token", append(a.header, bearer(dead)), "the token expired at"
		if a.method == "HEAD" {
			a.says = ""
		}
		s.attempts(t, a)
	}
	s.attempts(t, attempt{what: "an inbox alone without a token", method: "GET", path: "/channels?via=poll&connection=" + connection(t), status: 401, says: "to read an inbox alone needs a token"})
	for _, offered := range []string{"Sec-WebSocket-Protocol: pabal.v1, pabal.token." + dead, "Sec-WebSocket-Protocol: pabal.v1"} {
		var refused *h2connect.Refused
		if stream, err := dialSocket(t, s.url, "/channels/chat", false, offered); err == nil {
			stream.Close()
			t.Errorf("a WebSocket over HTTP/2 was opened with %.50s", offered)
		} else if !errors.As(err, &refused) || refused.Status != 401 {
			t.Errorf("a WebSocket over HTTP/2 with %.50s: got %v, want 401", offered, err)
		}
	}
}

// Two tokens are one too many, even if both are good.
func (s *siege) twice(t *testing.T) {
	other := s.token(t, auth.Claims{User: "ben", Rights: auth.Rights{Read: []string{"chat"}}})
	const path = "/channels/chat?via=poll"
	for _, a := range []attempt{
		{path: path + "&token=" + other, header: []string{bearer(s.ann)}},
		{path: path, header: []string{bearer(s.ann), bearer(other)}},
		{path: path, header: []string{bearer(s.ann), "Sec-WebSocket-Protocol: pabal.token." + other}},
		{path: path + "&token=" + s.ann, header: []string{"Cookie: pabal_token=" + other}},
	} {
		a.what, a.method, a.status, a.says = "two tokens", "GET", 400, "there is a token in "
		s.attempts(t, a)
	}
}

// A token of 1 MB is refused wherever it comes.
func (s *siege) long(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	refresh := `{"id":1,"command":"refresh","token":"` + long + `"}`
	s.attempts(t,
		attempt{what: "1 MB", method: "GET", path: "/channels/chat", header: []string{bearer(long)}, status: 431, says: ""},
		attempt{what: "1 MB", method: "GET", path: "/channels/chat?token=" + long, status: 431},
		attempt{what: "1 MB", method: "GET", path: "/channels/chat", header: []string{"Cookie: pabal_token=" + long}, status: 431},
		commanded("1 MB", "", "", refresh, 413, `"limit":"max-message","max":65536`),
		commanded("100 KB", "", "", `{"id":1,"command":"refresh","token":"`+long[:100<<10]+`"}`, 401, `"limit":"token-bytes","max":8192`),
		attempt{what: "10 KB", method: "GET", path: "/channels/chat", header: []string{bearer(long[:10<<10])}, status: 401, says: `"limit":"token-bytes","max":8192`},
	)
}

// A connection goes on by a newer token of its user alone, which must be good.
func (s *siege) refreshed(t *testing.T) {
	id := connection(t)
	mine := s.token(t, auth.Claims{User: "ben", Rights: auth.Rights{Read: []string{"chat"}}})
	s.works(t, "GET", "/channels/chat?via=poll&connection="+id, "", bearer(s.ann))
	refresh := func(token string) string { return `{"id":1,"command":"refresh","token":"` + token + `"}` }
	const others = "this connection id is of another user"
	s.attempts(t,
		commanded("a token of another user", s.ann, "?connection="+id, refresh(mine), 403, others),
		commanded("another's connection", mine, "?connection="+id, refresh(mine), 403, others),
		commanded("a forged token", s.ann, "?connection="+id, refresh(s.forge(`{"alg":"none"}`, claims(`,"sub":"ann"`), unsigned)), 401, "(alg)"),
		commanded("no connection", s.ann, "", refresh(s.ann), 400, "whom is this for?"),
		commanded("no token", s.ann, "?connection="+id, `{"id":1,"command":"refresh"}`, 400, "token: give the new one"),
	)
	w := s.socket(t, "/channels/chat", bearer(s.ann), "Sec-WebSocket-Protocol: pabal.v1")
	defer w.close()
	for _, c := range [][2]string{{refresh(mine), "the new token is of another user"}, {refresh("x.y.z"), "the token"}, {refresh(""), "token: give the new one"}} {
		if got := w.say(t, c[0]); !strings.Contains(got, c[1]) || !strings.Contains(got, `"error"`) {
			t.Errorf("a WebSocket is given %.80s: got %s, want %q", c[0], got, c[1])
		}
	}
	if got := w.say(t, refresh(s.ann)); !strings.Contains(got, `"ok":true`) {
		t.Errorf("a WebSocket is given a good token: got %s", got)
	}
}
