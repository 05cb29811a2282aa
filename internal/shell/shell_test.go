package shell_test

import (
	"os/exec"
	"testing"

	"buildbtw/internal/shell"
)

func TestAShellReadsBackWhatWasQuoted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "plain", "two words", "it's", `"$HOME" \ *?[a]`, "`id`; rm -rf & | <>(){}", "line\nbreak", "~", "#no", "a=b", "!x", "ü",
	} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shell.Quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q is quoted as %s, which the shell reads as %q, %v", text, shell.Quote(text), out, err)
		}
	}
}

func TestNothingIsQuotedWithoutNeed(t *testing.T) {
	t.Parallel()
	const plain = "https://example.org/a_b-c:1,2@x%20+="
	if got := shell.Quote(plain); got != plain {
		t.Errorf("%s", got)
	}
}
