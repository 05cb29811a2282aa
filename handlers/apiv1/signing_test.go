package apiv1_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers"
	"buildbtw/handover"
	"buildbtw/signing"
	"buildbtw/signing/agent"
	"buildbtw/signing/gpgtest"
)

// A release's list and signatures over the API, as bbtw release sign uses it.
func TestSignaturesAreSentAndVerified(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	key, stranger := h.Key("ed25519", "0"), h.Key("ed25519", "0")
	keys := filepath.Join(t.TempDir(), "keys.asc")
	if err := os.WriteFile(keys, h.Public(key), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(d *handlers.Deps) {
		c := handoverConfig(d.Catalog)
		c.Targets = []buildbtw.Target{{Name: "stable", Kind: buildbtw.TargetServed, Keys: keys}}
		var err error
		if d.Handover, err = handover.New(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	s.space("work", "libalpha")
	s.buildWith("2")
	var set api.Release
	s.call("GET", "/buildspaces/work/iterations/latest/release", nil, http.StatusOK, &set)
	var r api.StoredRelease
	s.call("POST", "/buildspaces/work/iterations/1/releases", api.NewRelease{Digest: set.Digest}, http.StatusCreated, &r)
	s.wantProblem(s.call("GET", "/releases/"+r.ID+"/signing-list", nil, http.StatusConflict, nil), http.StatusConflict, "it needs no signatures")
	for range 2 { // the target's first generation, and the release
		if err := s.handover.Advance(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.call("GET", "/releases/"+r.ID, nil, http.StatusOK, &r)
	if r.State != "signing" || r.Signing == nil || r.Signing.Files != r.Packages || r.Signing.Signed != 0 {
		t.Fatalf("%+v", r)
	}
	page := string(s.fetch(s.url + "/releases/" + r.ID).body)
	if !strings.Contains(page, fmt.Sprintf("0 of %d files signed", r.Packages)) || !strings.Contains(page, "bbtw release sign "+r.ID) {
		t.Error("the page does not say what it waits for")
	}
	var l signing.List
	s.call("GET", "/releases/"+r.ID+"/signing-list", nil, http.StatusOK, &l)
	sign := func(key string) api.Signatures {
		a, err := agent.Find(t.Context(), h.Dir, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		signatures, err := a.Sign(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		return api.Signatures{Signatures: signatures}
	}
	put := "/releases/" + r.ID + "/signatures"
	s.wantProblem(s.call("PUT", put, sign(stranger), http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity, "not among the accepted ones")
	var p api.SigningProgress
	s.call("PUT", put, sign(key), http.StatusOK, &p)
	if p != (api.SigningProgress{Files: r.Packages, Signed: r.Packages}) {
		t.Errorf("%+v", p)
	}
	if err := s.handover.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sig := s.fetch(s.url + "/repo/target/stable/os/x86_64/" + l.Files[0].Name + ".sig"); sig.StatusCode != http.StatusOK || len(sig.body) < 100 {
		t.Errorf("the signature: %d", sig.StatusCode)
	}
	var targets api.Page[api.Target]
	s.call("GET", "/targets", nil, http.StatusOK, &targets)
	if conf := targets.Items[0].PacmanConf; !strings.Contains(conf, "SigLevel = Required DatabaseOptional") {
		t.Error(conf)
	}
	s.wantProblem(s.call("GET", "/releases/99/signing-list", nil, http.StatusNotFound, nil), http.StatusNotFound, "no release 99")
	s.wantProblem(s.call("PUT", "/releases/x/signatures", nil, http.StatusNotFound, nil), http.StatusNotFound, "no release")
}
