package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/auth"
)

// What a token costs that comes again, and one that is new each time.
func BenchmarkRenew(b *testing.B) {
	for _, algorithm := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		private, public, err := auth.NewKey(algorithm)
		if err != nil {
			b.Fatal(err)
		}
		k := auth.Key{Algorithm: algorithm, File: file(b, private)}
		read := auth.ReadSecret
		if public != nil {
			k.File, read = file(b, public), auth.ReadPrivate
		}
		signer := must(read(file(b, private)))
		a := open(b, auth.Config{Keys: []auth.Key{k}})
		token := func(n int) string {
			return must(signer.Sign(auth.Claims{User: "alice", Expires: time.Now().Add(time.Hour), NotBefore: time.Unix(int64(n+1), 0), Rights: auth.Rights{Read: []string{"chat/*", "news"}, Publish: []string{"chat/lobby"}}, Data: []byte(`{"name":"Alice"}`)}))
		}
		b.Run(algorithm+"/known", func(b *testing.B) {
			known := token(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Renew(b.Context(), known); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(algorithm+"/new", func(b *testing.B) {
			var tokens []string
			for n := range 30_000 { // more than are remembered
				if tokens = append(tokens, token(n)); algorithm != "HS256" && n == 10_999 {
					break
				}
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := a.Renew(b.Context(), tokens[n%len(tokens)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What it costs to ask whether a token allows something.
func BenchmarkAllow(b *testing.B) {
	for name, rights := range map[string]string{"few": "chat/*,news", "100 names": strings.Repeat("sports/kbo/lg-doosan,", 99) + "news", "100 patterns": strings.Repeat("sports/*/live,", 99) + "chat/*"} {
		g := must(open(b, auth.Config{}).Restore([]byte(`{"pabal":{"read":["` + strings.ReplaceAll(rights, ",", `","`) + `"]}}`)))
		for _, ch := range []pabal.Channel{"chat/lobby", "news"} {
			b.Run(name+"/"+string(ch), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_ = g.Check(pabal.ToRead, ch)
				}
			})
		}
	}
}
