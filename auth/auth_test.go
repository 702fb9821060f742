package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/auth"
	"github.com/pabal/pabal/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Keys that tests sign with; the server knows the public halves of some.
var (
	secret      = []byte("0123456789abcdef0123456789abcdef")
	rsaKey      = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey       = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	strangerKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, edKey, _ = ed25519.GenerateKey(rand.Reader)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func publicPEM(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))})
}

func file(t testing.TB, text []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// keys are those of a server: one of each algorithm.
func keys(t testing.TB) []auth.Key {
	return []auth.Key{
		{ID: "hs", Algorithm: "HS256", Secret: secret},
		{ID: "rs", File: file(t, publicPEM(&rsaKey.PublicKey))},
		{ID: "es", File: file(t, publicPEM(&ecKey.PublicKey))},
		{ID: "ed", File: file(t, publicPEM(edKey.Public()))},
	}
}

func open(t testing.TB, cfg auth.Config) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// object is a header or claims.
type object = map[string]any

// claims are good for an hour.
func claims(and object) object {
	c := object{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix(), "pabal": object{"read": []string{"chat/*"}}}
	maps.Copy(c, and)
	return c
}

// sign makes a token without asking whether it is a good one.
func sign(method jwt.SigningMethod, key any, header, claims object) string {
	return signRaw(method, key, header, string(must(json.Marshal(claims))))
}

func signRaw(method jwt.SigningMethod, key any, header object, claims string) string {
	h := object{"alg": method.Alg()}
	maps.Copy(h, header)
	text := encode(string(must(json.Marshal(h)))) + "." + encode(claims)
	return text + "." + encode(string(must(method.Sign(text, key))))
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func asProblem(t testing.TB, err error) *problem.Problem {
	t.Helper()
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		t.Fatalf("got %v, want a problem", err)
	}
	return p
}

// Each algorithm signs, with the key's name or without.
func TestGoodTokens(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t)})
	for _, c := range []struct {
		kid    string
		method jwt.SigningMethod
		key    any
	}{{"hs", jwt.SigningMethodHS256, secret}, {"rs", jwt.SigningMethodRS256, rsaKey}, {"es", jwt.SigningMethodES256, ecKey}, {"ed", jwt.SigningMethodEdDSA, edKey}} {
		for _, header := range []object{{"kid": c.kid}, {}, {"kid": c.kid, "typ": "at+jwt"}} {
			g, err := a.Renew(t.Context(), sign(c.method, c.key, header, claims(object{"nbf": time.Now().Add(-time.Minute).Unix(), "azp": object{"x": []int{1}}})))
			if err != nil || g.User != "alice" || time.Until(g.Expires) > time.Hour || g.Check(pabal.ToRead, "chat/a") != nil || g.Check(pabal.ToPublish, "chat/a") == nil {
				t.Errorf("%s, %v: got %+v, %v", c.kid, header, g, err)
			}
		}
	}
}

// Every token that is not good is refused, with what is wrong with it.
func TestBadTokens(t *testing.T) {
	hs := jwt.SigningMethodHS256
	good := sign(hs, secret, nil, claims(nil))
	parts := strings.Split(good, ".")
	public := publicPEM(&rsaKey.PublicKey)
	embedded := object{"jwk": object{"kty": "EC", "crv": "P-256", "x": encode(string(strangerKey.X.FillBytes(make([]byte, 32)))), "y": encode(string(strangerKey.Y.FillBytes(make([]byte, 32))))},
		"jku": "https://evil.example/keys", "x5u": "https://evil.example/cert"}
	own := func(o any) string { return sign(hs, secret, nil, claims(object{"pabal": o})) }
	with := func(o object) string { return sign(hs, secret, nil, claims(o)) }
	many := strings.Split(strings.Repeat("a,", 50)+"a", ",")

	a := open(t, auth.Config{Keys: keys(t), Issuer: "us", Audience: "here", TokenBytes: 20 << 10})
	plain := open(t, auth.Config{Keys: keys(t), TokenBytes: 20 << 10})
	usual := open(t, auth.Config{Keys: keys(t)})
	for _, c := range []struct {
		name, token string
		by          *auth.Authenticator
		want        string // in the detail
	}{
		{"empty", "", plain, "1 parts"},
		{"garbage", "garbage!", plain, "has a character that is none of"},
		{"one dot", parts[0] + "." + parts[1], plain, "2 parts"},
		{"three dots", good + ".x", plain, "4 parts"},
		{"encrypted", "a.b.c.d.e", plain, "5 parts"},
		{"a million dots", strings.Repeat(".", 1<<14), plain, "10 parts"},
		{"two dots", "..", plain, "header"},
		{"no JSON", encode("no") + "." + parts[1] + "." + parts[2], plain, "header is not what it should be: not a JSON object"},
		{"claims no JSON", signRaw(hs, secret, nil, "no"), plain, "claims are not what they should be: not a JSON object"},
		{"claims a list", signRaw(hs, secret, nil, "[]"), plain, "not a JSON object"},
		{"two claims", signRaw(hs, secret, nil, `{} {}`), plain, "something follows"},
		{"cut off", signRaw(hs, secret, nil, `{"sub":"a"`), plain, "not JSON"},
		{"not UTF-8", signRaw(hs, secret, nil, "{\"sub\":\"\xff\"}"), plain, "not UTF-8"},
		{"a claim twice", signRaw(hs, secret, nil, `{"sub":"a","sub":"b"}`), plain, `"sub" is there twice`},
		{"padding", good + "=", plain, "has a character that is none of"},
		{"a line end", parts[0] + "\n." + parts[1] + "." + parts[2], plain, "has a character that is none of"},
		{"bits beyond the end", good[:len(good)-1] + string(next(good[len(good)-1])), plain, "base64url"},
		{"1 MB", strings.Repeat("a", 1<<20), usual, "the token has 1048576 bytes, 8192 at most"},

		{"alg none", encode(`{"alg":"none"}`) + "." + parts[1] + ".", plain, `algorithm (alg) "none" is not allowed`},
		{"alg None", encode(`{"alg":"NONE"}`) + "." + parts[1] + ".", plain, "is not allowed"},
		{"no alg", encode(`{}`) + "." + parts[1] + "." + parts[2], plain, `algorithm (alg) "" is not allowed`},
		{"alg a number", encode(`{"alg":1}`) + "." + parts[1] + "." + parts[2], plain, "is not a string"},
		{"alg twice", encode(`{"alg":"none","alg":"HS256"}`) + "." + parts[1] + "." + parts[2], plain, "twice"},
		{"HS512", sign(jwt.SigningMethodHS512, secret, nil, claims(nil)), plain, "is not allowed; HS256, RS256, ES256 and EdDSA are"},
		{"PS256", sign(jwt.SigningMethodPS256, rsaKey, nil, claims(nil)), plain, "is not allowed"},
		{"no signature", parts[0] + "." + parts[1] + ".", plain, "signature is not of a key that is known"},
		{"another secret", sign(hs, []byte("another secret of 32 bytes or so"), nil, claims(nil)), plain, "signature is not of a key"},
		{"the public key as secret", sign(hs, public, nil, claims(nil)), plain, "signature is not of a key"},
		{"the public key as secret, named", sign(hs, public, object{"kid": "rs"}, claims(nil)), plain, `"rs" is for RS256, not for HS256`},
		{"the public key in DER as secret", sign(hs, must(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)), nil, claims(nil)), plain, "signature is not of a key"},
		{"the modulus as secret", sign(hs, rsaKey.N.Bytes(), nil, claims(nil)), plain, "signature is not of a key"},
		{"a key in the header", sign(jwt.SigningMethodES256, strangerKey, embedded, claims(nil)), plain, "signature is not of a key"},
		{"kid of another algorithm", sign(jwt.SigningMethodES256, ecKey, object{"kid": "ed"}, claims(nil)), plain, `is for EdDSA, not for ES256`},
		{"kid of a path", sign(hs, []byte{}, object{"kid": "../../../../dev/null"}, claims(nil)), plain, "is not known here"},
		{"kid of a query", sign(hs, []byte{}, object{"kid": "x' UNION SELECT 'k"}, claims(nil)), plain, "is not known here"},
		{"kid a list", sign(hs, secret, object{"kid": []string{"hs"}}, claims(nil)), plain, "(kid) is not a string"},
		{"kid too long", sign(hs, secret, object{"kid": strings.Repeat("k", 256)}, claims(nil)), plain, "256 bytes, 255 at most"},
		{"crit", sign(hs, secret, object{"crit": []string{"b64"}, "b64": false}, claims(nil)), plain, "(crit)"},
		{"crit null", sign(hs, secret, object{"crit": nil}, claims(nil)), plain, "(crit)"},
		{"claims of another token", parts[0] + "." + strings.Split(with(object{"sub": "root"}), ".")[1] + "." + parts[2], plain, "signature is not of a key"},

		{"expired", with(object{"exp": 1000}), plain, "expired at 1970-01-01T00:16:40Z: get a new one"},
		{"expired this moment", with(object{"exp": time.Now().Unix()}), plain, "expired at"},
		{"no end", signRaw(hs, secret, nil, `{"sub":"a"}`), plain, "has no end"},
		{"end is null", with(object{"exp": nil}), plain, "has no end"},
		{"end is text", with(object{"exp": "tomorrow"}), plain, `claim "exp" is not a time`},
		{"end is too late", with(object{"exp": 1e300}), plain, `claim "exp" is not a time`},
		{"end is below 0", with(object{"exp": -1}), plain, `claim "exp" is not a time`},
		{"not yet", with(object{"nbf": time.Now().Add(time.Hour).Unix()}), plain, "is good from"},
		{"an audience", with(object{"aud": "elsewhere"}), plain, `is for "elsewhere" (aud), and this server was not told`},
		{"no audience", with(object{"iss": "us"}), a, `is for [] (aud), and must be for "here"`},
		{"other audience", with(object{"iss": "us", "aud": []string{"there", "her"}}), a, `must be for "here"`},
		{"audience is a number", with(object{"aud": 7}), a, "is not a list of strings"},
		{"no issuer", with(object{"aud": "here"}), a, `made by "" (iss), and must be by "us"`},
		{"other issuer", with(object{"aud": "here", "iss": "US"}), a, `made by "US" (iss)`},

		{"user is a number", with(object{"sub": 7}), plain, `claim "sub" is not a string`},
		{"user too long", with(object{"sub": strings.Repeat("é", 128)}), plain, "256 bytes, 255 at most"},
		{"user with NUL", with(object{"sub": "a\x00"}), plain, "control character"},
		{"user with a line end", with(object{"sub": "a\r\nb"}), plain, "control character"},
		{"user of half a character", signRaw(hs, secret, nil, `{"sub":"\ud800"}`), plain, "not Unicode"},
		{"pabal is a list", own([]string{"read"}), plain, "not a JSON object"},
		{"a misspelt list", own(object{"raed": []string{"chat"}}), plain, `has a member "raed", which is not known`},
		{"another case", own(object{"Read": []string{"*"}}), plain, `has a member "Read"`},
		{"a list of numbers", own(object{"read": []int{1}}), plain, `a list "read" that is not a list of strings`},
		{"a list with null", own(object{"call": []any{nil}}), plain, `a list "call" that is not a list of strings`},
		{"a bad pattern", own(object{"see": []string{"chat", "a b"}}), plain, `list "see": "a b" matches no channel`},
		{"a path", own(object{"read": []string{"a/../b"}}), plain, `list "read": "a/../b"`},
		{"too many patterns", own(object{"read": many, "publish": many[1:], "call": many[50:]}), plain, "more than 100 channels"},
		{"a pattern too long", own(object{"read": []string{strings.Repeat("a", 256)}}), plain, "256 bytes, 255 at most"},
		{"too much data", own(object{"data": strings.Repeat("a", 4095)}), plain, "4097 bytes, 4096 at most"},
	} {
		for range 2 { // the second time it might be known
			g, err := c.by.Renew(t.Context(), c.token)
			if err == nil {
				t.Errorf("%s: it is taken, as %+v", c.name, g)
				continue
			}
			p := asProblem(t, err)
			if p.Status != 401 || !strings.Contains(p.Detail, c.want) {
				t.Errorf("%s: got %d, %q\nwant 401 and %q", c.name, p.Status, p.Detail, c.want)
			}
			if strings.Contains(p.Detail, parts[2]) || len(p.Detail) > 600 {
				t.Errorf("%s: the error has the token in it: %q", c.name, p.Detail)
			}
		}
	}
}

// next is the same six bits but for the last two, which an encoding of 32 bytes
// does not need.
func next(c byte) byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, c)|1]
}

// The limits have names, which the errors tell.
func TestTokenLimits(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t)})
	for name, own := range map[string]object{
		"token-data-bytes":    {"data": strings.Repeat("a", 5000)},
		"token-pattern-bytes": {"read": strings.Repeat("a", 300)},
		"token-patterns":      {"read": strings.Split(strings.Repeat("a,", 100)+"a", ",")},
		"token-bytes":         {"data": strings.Repeat("a", 9000)},
	} {
		_, err := a.Renew(t.Context(), sign(jwt.SigningMethodHS256, secret, nil, claims(object{"pabal": own})))
		if p := asProblem(t, err); p.Limit != name || p.Max == 0 {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

// A token is known again only as long as it is good, and an error says when it
// was not.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strict, lenient := open(t, auth.Config{Keys: keys(t)}), open(t, auth.Config{Keys: keys(t), Leeway: time.Minute})
		now := time.Now()
		token := sign(jwt.SigningMethodHS256, secret, nil, claims(object{"nbf": now.Unix() + 30, "exp": float64(now.Unix()) + 90.9}))
		for _, at := range []struct {
			after           time.Duration
			strict, lenient bool
		}{{0, false, true}, {29 * time.Second, false, true}, {30 * time.Second, true, true}, {89 * time.Second, true, true}, {90 * time.Second, false, true}, {149 * time.Second, false, true}, {150 * time.Second, false, false}} {
			time.Sleep(time.Until(now.Add(at.after)))
			_, err := strict.Renew(t.Context(), token)
			g, err2 := lenient.Renew(t.Context(), token)
			if (err == nil) != at.strict || (err2 == nil) != at.lenient {
				t.Errorf("after %v: got %v and %v, want it good: %v and %v", at.after, err, err2, at.strict, at.lenient)
			}
			if err2 == nil && !g.Expires.Equal(now.Add(150*time.Second)) {
				t.Errorf("with leeway: it ends at %v", g.Expires)
			}
		}
	})
}

// A token without an end is taken where that is allowed.
func TestForever(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t), Forever: true})
	g, err := a.Renew(t.Context(), sign(jwt.SigningMethodHS256, secret, nil, object{"sub": "backend"}))
	if err != nil || !g.Expires.IsZero() || g.User != "backend" || g.Check(pabal.ToRead, "a") == nil {
		t.Errorf("got %+v, %v", g, err)
	}
}

func TestAudienceAndIssuer(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t), Audience: "here", Issuer: "us"})
	for _, audience := range []any{"here", []string{"there", "here"}} {
		if _, err := a.Renew(t.Context(), sign(jwt.SigningMethodHS256, secret, nil, claims(object{"aud": audience, "iss": "us"}))); err != nil {
			t.Errorf("for %v: %v", audience, err)
		}
	}
}

// The token that names no key is tried on few.
func TestManyKeysWithoutName(t *testing.T) {
	var all []auth.Key
	for i := range 9 {
		all = append(all, auth.Key{ID: string(rune('a' + i)), Secret: append([]byte{byte(i)}, secret...)})
	}
	a := open(t, auth.Config{Keys: all})
	last := append([]byte{8}, secret...)
	if _, err := a.Renew(t.Context(), sign(jwt.SigningMethodHS256, last, nil, claims(nil))); err == nil || !strings.Contains(err.Error(), "does not name its key") {
		t.Errorf("without its name: got %v", err)
	}
	if _, err := a.Renew(t.Context(), sign(jwt.SigningMethodHS256, last, object{"kid": "i"}, claims(nil))); err != nil {
		t.Error(err)
	}
}

func TestWithoutKeys(t *testing.T) {
	a := open(t, auth.Config{TrustEveryone: true})
	if _, err := a.Renew(context.Background(), "a.b.c"); err == nil || asProblem(t, err).Status != 401 {
		t.Errorf("a token that cannot be checked: got %v", err)
	}
	g, err := a.Restore(nil)
	if err != nil || g.Check(pabal.ToPublish, "anything") != nil {
		t.Errorf("got %+v, %v", g, err)
	}
}
