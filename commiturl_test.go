package buildbtw

import "testing"

// TestCommitURL takes addresses with the place of a commit, and nothing that leads elsewhere
// or runs something.
func TestCommitURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://git.example.org/{source}/commit/{commit}":          "https://git.example.org/gtk+%2Fx/commit/abc",
		"http://localhost:3000/?repo={source}&id={commit}#{source}": "http://localhost:3000/?repo=gtk+%2Fx&id=abc#gtk+%2Fx",
		"https://git.example.org/all/-/commit/{commit}":             "https://git.example.org/all/-/commit/abc",
	} {
		u, err := ParseCommitURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := u.Of("gtk+/x", "abc"); got != want {
			t.Errorf("%s gives %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{
		"", "https://git.example.org/{source}", "javascript:alert('{commit}')", "https://{source}.example.org/{commit}", "//git.example.org/{commit}",
		"https://anna:secret@git.example.org/{commit}", "https://git.example.org/{commit}/{branch}", "https://git.example.org/{commit}\" onclick=\"x",
		"https://git.example.org/{commit} x", "https:///{commit}", "https://git.example.org/\n{commit}", "https://{commit}/{commit}",
	} {
		if u, err := ParseCommitURL(text); err == nil || KindOf(err) != KindInvalid {
			t.Errorf("%q is taken as %q, %v", text, u, err)
		}
	}
	if got := CommitURL("").Of("a", "b"); got != "" {
		t.Errorf("no address gives %q", got)
	}
	if got := GitLabCommitURL("https://gitlab.example.org/", "arch/pkgs/libsigc++", "abc"); got != "https://gitlab.example.org/arch/pkgs/libsigc++/-/commit/abc" {
		t.Error(got)
	}
}
