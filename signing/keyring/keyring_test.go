package keyring_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/signing"
	"buildbtw/signing/gpgtest"
	"buildbtw/signing/keyring"
)

func fileOf(t testing.TB, content string) signing.File {
	t.Helper()
	h := sha512.New()
	h.Write([]byte(content))
	state, err := signing.State(h)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return signing.File{Name: "lib-1.0-1-x86_64.pkg.tar.zst", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), State: state}
}

func read(t *testing.T, text []byte) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Signatures that gpg itself made, and what gpg says of them: mostly it ends with 0.
func TestSignaturesOfGpg(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	good, rsa, stranger := h.Key("ed25519", "0"), h.Key("rsa2048", "0"), h.Key("ed25519", "0")
	past := []string{"--faked-system-time", "20200101T000000"}
	expired, revoked := h.Key("ed25519", "1d", past...), h.Key("ed25519", "0")
	const content = "a package"
	sign := func(key string, more ...string) []byte {
		return h.Run([]byte(content), append([]string{"--digest-algo", "SHA512", "--local-user", key + "!"}, append(more, "--detach-sign")...)...)
	}
	ofRevoked := sign(revoked)
	h.Revoke(revoked)
	whole := sign(good)
	broken := bytes.Clone(whole)
	broken[len(broken)-3] ^= 1
	tag := bytes.Clone(whole)
	tag[len(tag)-69] ^= 1 // before r and s, with 34 bytes each; of one that is shorter, in it
	accepted := read(t, h.Public(good, rsa, expired, revoked))
	if got := accepted.Fingerprints(); len(got) != 4 || !slices.Contains(got, good) {
		t.Errorf("fingerprints: %v", got)
	}
	if got := accepted.Valid(time.Now()); len(got) != 2 || !slices.Contains(got, good) || !slices.Contains(got, rsa) {
		t.Errorf("valid: %v", got)
	}
	h.Run(nil, "--quick-add-key", good, "ed25519", "sign", "0")
	if got := read(t, h.Public(good)).Valid(time.Now()); len(got) != 2 {
		t.Errorf("valid with a subkey: %v", got)
	}
	for name, c := range map[string]struct {
		signature []byte
		by, want  string
		gpg       string // a status line
	}{
		"Ed25519":              {signature: whole, by: good, gpg: "GOODSIG"},
		"RSA":                  {signature: sign(rsa), by: rsa, gpg: "GOODSIG"},
		"an expired key":       {signature: sign(expired, past...), want: expired + " has expired", gpg: "EXPKEYSIG"},
		"a revoked key":        {signature: ofRevoked, want: revoked + " is revoked", gpg: "REVKEYSIG"},
		"another key":          {signature: sign(stranger), want: stranger + " is not among the accepted ones", gpg: "GOODSIG"},
		"of text":              {signature: sign(good, "--textmode"), want: "type 0x1", gpg: "GOODSIG"},
		"with SHA-256":         {signature: sign(good, "--digest-algo", "SHA256"), want: "SHA-512 is needed", gpg: "GOODSIG"},
		"armored":              {signature: sign(good, "--armor"), want: "no OpenPGP packet", gpg: "GOODSIG"},
		"that expires":         {signature: sign(good, "--default-sig-expire", "1y"), want: "it expires", gpg: "GOODSIG"},
		"with a notation":      {signature: sign(good, "--sig-notation", "!x@example.org=y"), want: "critical notation", gpg: "BADSIG"},
		"two":                  {signature: slices.Concat(whole, whole), want: "something follows it", gpg: "GOODSIG"},
		"with a changed value": {signature: broken, want: "not valid", gpg: "BADSIG"},
		"with a changed tag":   {signature: tag, want: "not valid", gpg: "GOODSIG"},
		"of the future":        {signature: sign(good, "--faked-system-time", time.Now().UTC().AddDate(0, 0, 2).Format("20060102T150405")), want: "in the future", gpg: "GOODSIG"},
	} {
		by, err := accepted.Verify(fileOf(t, content), c.signature, time.Now())
		if by != c.by || c.want == "" && err != nil || c.want != "" && (buildbtw.KindOf(err) != buildbtw.KindInvalid || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: by %q, %v", name, by, err)
		}
		if words, _ := h.Status([]byte(content), c.signature); !slices.Contains(words, c.gpg) {
			t.Errorf("%s: gpg says %v", name, words)
		}
	}
	if _, err := accepted.Verify(fileOf(t, content+"s"), whole, time.Now()); err == nil || !strings.Contains(err.Error(), "not valid") {
		t.Errorf("another file: %v", err)
	}
	altered := fileOf(t, content)
	altered.State = fileOf(t, "another").State
	if _, err := accepted.Verify(altered, whole, time.Now()); err == nil {
		t.Error("a state of another length was accepted")
	}
}

func TestWhatIsNoSignature(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	key := h.Key("ed25519", "0")
	accepted := read(t, h.Public(key))
	for name, text := range map[string][]byte{
		"nothing":    nil,
		"text":       []byte("no packet"),
		"a key":      h.Run(nil, "--export", key),
		"too much":   make([]byte, 10<<10),
		"inline":     h.Run([]byte("a package"), "--sign"),
		"no content": {0x88, 0x00},
	} {
		if _, err := accepted.Verify(fileOf(t, "a package"), text, time.Now()); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyrings(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	first, second := h.Key("ed25519", "0"), h.Key("rsa2048", "0")
	for name, text := range map[string][]byte{
		"armored":     h.Public(),
		"not armored": h.Run(nil, "--export"),
		"two blocks":  slices.Concat([]byte("Keys of example.org\n"), h.Public(first), h.Public(second)),
	} {
		k, err := keyring.Read(bytes.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := k.Fingerprints(); len(got) != 2 || !slices.Contains(got, first) || !slices.Contains(got, second) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, text := range map[string][]byte{
		"empty":           nil,
		"text":            []byte("no keys"),
		"secret keys":     h.Run(nil, "--armor", "--export-secret-keys", first),
		"a broken block":  h.Public(first)[:100],
		"too many":        make([]byte, 9<<20),
		"binary nonsense": {0x99, 0x01, 0x02},
	} {
		if _, err := keyring.Read(bytes.NewReader(text)); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	h := gpgtest.New(f)
	accepted, err := keyring.Read(bytes.NewReader(h.Public(h.Key("ed25519", "0"))))
	if err != nil {
		f.Fatal(err)
	}
	const content = "a package"
	good := h.Run([]byte(content), "--digest-algo", "SHA512", "--detach-sign")
	f.Add(good)
	f.Add(h.Run([]byte(content), "--digest-algo", "SHA256", "--detach-sign"))
	lib := fileOf(f, content)
	f.Fuzz(func(t *testing.T, signature []byte) {
		if _, err := accepted.Verify(lib, signature, time.Now()); err == nil {
			// Only what is not signed may differ, such as the form of the header.
			if !bytes.Contains(signature, good[len(good)-32:]) {
				t.Errorf("accepted: %x", signature)
			}
		}
	})
}

// Tags that git itself signed, and what git verify-tag says of them.
func TestTagsOfGit(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	good, rsa, stranger := h.Key("ed25519", "0"), h.Key("rsa2048", "0"), h.Key("ed25519", "0")
	accepted := read(t, h.Public(good, rsa))
	dir := t.TempDir()
	git := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=Anna", "-c", "user.email=anna@example.org"}, args...)...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+h.Dir, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C")
		return cmd.Output()
	}
	must := func(args ...string) []byte {
		t.Helper()
		out, err := git(args...)
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return out
	}
	must("init", "--quiet", ".")
	must("commit", "--quiet", "--allow-empty", "--message", "new")
	must("tag", "--annotate", "--message", "lib 1-1", "plain")
	for name, key := range map[string]string{"good": good, "rsa": rsa, "stranger": stranger} {
		must("tag", "--local-user", key, "--message", "lib 1-1\n\n-----BEGIN PGP SIGNATURE-----\nnot yet", name)
	}
	whole := must("cat-file", "tag", "good")
	id, err := exec.CommandContext(t.Context(), "bash", "-c", "cd "+dir+" && git cat-file tag good | sed 's/^lib 1-1/lib 9-9/' | git hash-object -w -t tag --stdin").Output()
	if err != nil {
		t.Fatal(err)
	}
	must("update-ref", "refs/tags/changed", strings.TrimSpace(string(id)))
	for name, c := range map[string]struct{ by, want string }{
		"good": {by: good}, "rsa": {by: rsa},
		"plain":    {want: "it is not signed"},
		"stranger": {want: stranger + " is not among the accepted ones"},
		"changed":  {want: "made for another tag"},
	} {
		by, err := accepted.VerifyTag(must("cat-file", "tag", name), time.Now())
		if by != c.by || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v", name, by, err)
		}
		if _, err := git("verify-tag", name); (err == nil) != (c.want == "" || name == "stranger") {
			t.Errorf("%s: git says %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nothing":        "",
		"SSH":            strings.ReplaceAll(string(whole), "PGP SIGNATURE", "SSH SIGNATURE"),
		"a broken armor": strings.Replace(string(whole), "=", "!", 1) + "-----BEGIN PGP SIGNATURE-----\n",
	} {
		if by, err := accepted.VerifyTag([]byte(text), time.Now()); err == nil {
			t.Errorf("%s: by %s", name, by)
		}
	}
	exported, err := accepted.Export()
	if err != nil {
		t.Fatal(err)
	}
	if by, err := read(t, exported).VerifyTag(whole, time.Now()); err != nil || by != good {
		t.Errorf("with exported keys: %s, %v", by, err)
	}
}
