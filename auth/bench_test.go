package auth_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/auth"
)

// BenchmarkWho measures how long it takes to find out which user a request comes from.
func BenchmarkWho(b *testing.B) {
	g := newGate(b)
	ada := g.who(b, auth.Credentials{Header: "ada"})
	secrets := map[string]auth.Credentials{"nobody": {}, "the operator's token": {Bearer: "token of anna"}}
	for name, n := range map[string]auth.NewToken{
		"a person's token": {Kind: buildbtw.KindPerson, Name: "laptop"}, "a machine's token": {Kind: buildbtw.KindWorker, Name: "w1"},
	} {
		_, secret, err := g.CreateToken(b.Context(), ada, n)
		must(b, err)
		secrets[name] = auth.Credentials{Bearer: secret}
	}
	code, err := g.NewCode(ada.User)
	must(b, err)
	session, err := g.SignInWithCode(b.Context(), code, auth.Browser{})
	must(b, err)
	secrets["a browser's session"] = auth.Credentials{Session: session}
	g.now = g.now.Add(time.Second)
	for name, c := range secrets {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g.who(b, c)
			}
		})
	}
}
