package makepkg_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/runners"
	"buildbtw/runners/makepkg"
)

// signer is somebody with a PGP key.
type signer struct{ home, fingerprint string }

func newSigner(t *testing.T, name string) signer {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "gpg") // the paths of its sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	s := signer{home: home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	s.gpg(t, "--passphrase", "", "--quick-generate-key", name+" <"+name+"@example.org>", "ed25519", "sign", "never")
	for line := range strings.Lines(s.gpg(t, "--with-colons", "--list-keys")) {
		if text, found := strings.CutPrefix(line, "fpr:"); found && s.fingerprint == "" {
			s.fingerprint = strings.Trim(text, ":\n")
		}
	}
	return s
}

func (s signer) gpg(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", s.home, "--batch", "--no-tty", "--quiet"}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg %q: %v\n%s", args, err, &said)
	}
	return string(out)
}

// writeTree writes a file into a job's source.
func writeTree(t *testing.T, job runners.Job, name, text string) {
	t.Helper()
	file := filepath.Join(job.Tree, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSignaturesOfSources(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs makepkg several times; not with -short")
	}
	run, r := newRunner(t, makepkg.Options{}), newRepository(t)
	anna, mallory := newSigner(t, "anna"), newSigner(t, "mallory")
	const forged = "failed: One or more PGP signatures could not be verified (makepkg exit code 1)"
	for name, test := range map[string]struct {
		by     signer
		text   string   // what is built; "genuine" is what was signed
		keys   []signer // in keys/pgp
		valid  []string // validpgpkeys
		result string
		says   string // in the log
	}{
		"genuine":               {anna, "genuine", []signer{anna}, []string{anna.fingerprint}, "built: ", "payload ... Passed"},
		"other text":            {anna, "forged", []signer{anna}, []string{anna.fingerprint}, forged, "bad signature from public key"},
		"other key":             {mallory, "genuine", []signer{anna}, []string{anna.fingerprint}, forged, "unknown public key"},
		"key that is not meant": {mallory, "genuine", []signer{anna, mallory}, []string{anna.fingerprint}, forged, "invalid public key"},
		"no key":                {anna, "genuine", nil, []string{anna.fingerprint}, "built: ", "==> WARNING: PGP signatures are not verified: keys/pgp has no key"},
		"no validpgpkeys":       {anna, "genuine", []signer{anna}, nil, "built: ", "==> WARNING: PGP signatures are not verified: validpgpkeys names no key"},
		"no key at all":         {anna, "genuine", []signer{{}}, []string{anna.fingerprint}, "failed: the keys in keys/pgp could not be imported (gpg exit code 2)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := source{name: "needsreaches"}.prepare(t, r)
			writeTree(t, job, "payload", "genuine")
			file := filepath.Join(job.Tree, "payload")
			test.by.gpg(t, "--detach-sign", "--output", file+".sig", file)
			writeTree(t, job, "payload", test.text)
			for _, s := range test.keys {
				key := "no key"
				if s.fingerprint != "" {
					key = s.gpg(t, "--armor", "--export", s.fingerprint)
				}
				writeTree(t, job, "keys/pgp/K"+s.fingerprint+".asc", key)
			}
			writeTree(t, job, "PKGBUILD", "pkgname=signed\npkgver=1\npkgrel=1\narch=(any)\nsource=(payload payload.sig)\nsha256sums=(SKIP SKIP)\nvalidpgpkeys=("+strings.Join(test.valid, " ")+
				")\npackage() { install -Dm644 payload \"$pkgdir/usr/share/signed/payload\"; }\n")
			job.Pkgbase, job.Pkgnames = "signed", []string{"signed"}
			job.Srcinfo = "pkgbase = signed\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = any\n\tsource = payload\n\tsource = payload.sig\n"
			for _, v := range test.valid {
				job.Srcinfo += "\tvalidpgpkeys = " + v + "\n"
			}
			job.Srcinfo += "\npkgname = signed\n"
			b := execute(t, run, job)
			if got := string(b.Outcome) + ": " + b.Message; got != test.result || !strings.Contains(b.log, test.says) {
				t.Errorf("got %s\n%s", got, b.log)
			}
		})
	}
}
