package buildbtw_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// program is what docs/reference has of one: its commands, each with its flags.
type program map[string]map[string]bool

func (p program) anyHas(flag string) bool {
	for _, flags := range p {
		if flags[flag] {
			return true
		}
	}
	return false
}

var (
	commandHead = regexp.MustCompile(`^## (.+)$`)
	flagRow     = regexp.MustCompile("^\\| `(?:-(\\w), )?--([\\w-]+)")
	joint       = regexp.MustCompile(`\s*(?:&&|\|\||[|;&)]|\$\()\s*`)
	assignment  = regexp.MustCompile(`^[A-Z_]+=`)
	shellBlock  = regexp.MustCompile("(?ms)^[ \t]*```sh\n(.*?)```")
)

func readPrograms(t *testing.T) map[string]program {
	t.Helper()
	pages, err := filepath.Glob("docs/reference/*buildbtw*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	programs := map[string]program{}
	for _, page := range append(pages, "docs/reference/bbtw.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		p, command := program{}, ""
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if m := commandHead.FindStringSubmatch(line); m != nil {
				command = m[1]
				p[command] = map[string]bool{"--help": true, "-h": true}
			} else if m := flagRow.FindStringSubmatch(line); m != nil {
				p[command]["--"+m[2]] = true
				p[command]["-"+m[1]] = true
			}
		}
		programs[strings.TrimSuffix(path.Base(page), ".md")] = p
	}
	return programs
}

// wrongCommands lists the calls of our programs in a text that they would refuse: commands
// and flags that they do not have.
func wrongCommands(programs map[string]program, text string) []string {
	var calls []string
	for _, m := range shellBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(strings.ReplaceAll(m[1], "\\\n", " ")) {
			before, _, _ := strings.Cut(line, " #")
			calls = append(calls, joint.Split(strings.TrimSpace(before), -1)...)
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		calls = append(calls, joint.Split(m[1], -1)...)
	}
	var wrong []string
	for _, call := range calls {
		if why := wrongCommand(programs, strings.Fields(call)); why != "" {
			wrong = append(wrong, why+" in: "+call)
		}
	}
	return wrong
}

func wrongCommand(programs map[string]program, words []string) string {
	for len(words) > 0 && (assignment.MatchString(words[0]) || slices.Contains([]string{"sudo", "-u", "exec", "!", "nice"}, words[0])) {
		if words[0] == "-u" {
			words = words[1:]
		}
		words = words[min(1, len(words)):]
	}
	if len(words) == 0 || programs[words[0]] == nil {
		return ""
	}
	p, command := programs[words[0]], words[0]
	root := command
	for i, word := range words[1:] {
		word, _, _ = strings.Cut(strings.TrimRight(word, ",.)'\""), "=")
		switch {
		case p[command+" "+word] != nil:
			command += " " + word
		case word == "--":
			return ""
		case strings.HasPrefix(word, "-") && len(word) > 1:
			// `buildbtw-signer --key` means the flag, whatever command has it.
			if !p[command][word] && !p[root][word] && word != "--version" && (command != root || !p.anyHas(word)) {
				return command + " has no " + word
			}
		case i == 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(word) && !slices.Contains([]string{"completion", "help", "man"}, word):
			return root + " has no command " + word
		}
	}
	return ""
}

// The changelog tells of what was.
func TestCommandsInDocumentsExist(t *testing.T) {
	t.Parallel()
	programs := readPrograms(t)
	for name := range readTree(t).paths {
		if path.Ext(name) != ".md" || name == "CHANGELOG.md" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wrongCommands(programs, string(text)) {
			t.Errorf("%s: %s", name, w)
		}
	}
}

func TestWrongCommandsAreFound(t *testing.T) {
	t.Parallel()
	programs := readPrograms(t)
	for text, want := range map[string]string{
		"`bbtw nonsense`":                                "bbtw has no command nonsense in: bbtw nonsense",
		"`bbtw show x --nonsense=1`":                     "bbtw show has no --nonsense in: bbtw show x --nonsense=1",
		"```sh\ncd x && sudo -u a bbtw list -Z # y\n```": "bbtw list has no -Z in: sudo -u a bbtw list -Z",
		"```sh\nbuildbtw serve \\\n --no-such\n```":      "buildbtw serve has no --no-such in: buildbtw serve   --no-such",
		"`bbtw show NAME --status failed`, `A=b bbtw --json wait x --timeout 3s`, `buildbtw-worker shell 1 -- make --x`": "",
	} {
		if got := strings.Join(wrongCommands(programs, text), "; "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
