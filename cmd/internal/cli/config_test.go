package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// values are flags of each kind.
type values struct {
	Word, Token string
	List        []string
	Number      int
	On          bool
	Time        time.Duration
	Tags        map[string]string
	Caps        map[string]int
}

func (v *values) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	ConfigFile(flags)
	flags.StringVar(&v.Word, "word", "none", "a word")
	flags.StringVar(&v.Token, "token", "", "a secret")
	flags.StringArrayVar(&v.List, "list", []string{"default"}, "a list")
	Number(flags, &v.Number, "number", 1, 0, 10, "a number")
	flags.BoolVar(&v.On, "on", true, "yes or no")
	Time(flags, &v.Time, "time", time.Second, 0, time.Hour, "a time")
	flags.StringToStringVar(&v.Tags, "tag", nil, "NAME=TAG")
	Numbers(flags, &v.Caps, "cap", "NAME=N")
	Secret(flags, "token")
	return flags
}

// config writes a file of settings and returns flags that name it.
func config(t *testing.T, v *values, text string) (*pflag.FlagSet, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := v.flags()
	if err := flags.Set("config", path); err != nil {
		t.Fatal(err)
	}
	return flags, path
}

const wholeConfig = `# a comment
word = "x, y"
token = "sekrit"
list = ["a,b", "c"]
number = 7
on = false
time = "5m"
tag = ["x86_64=t1", "aarch64=t2"]
cap = "big=2"
`

func whole() values {
	return values{
		Word: "x, y", Token: "sekrit", List: []string{"a,b", "c"}, Number: 7, Time: 5 * time.Minute,
		Tags: map[string]string{"x86_64": "t1", "aarch64": "t2"}, Caps: map[string]int{"big": 2},
	}
}

func TestConfigSetsFlagsOfEachKind(t *testing.T) {
	t.Parallel()
	var v values
	flags, _ := config(t, &v, wholeConfig)
	if err := fromConfig(flags); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole(), v); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigCountsLeast(t *testing.T) {
	t.Parallel()
	var v values
	flags, _ := config(t, &v, wholeConfig)
	if err := flags.Parse([]string{"--word=flag", "--list=one", "--on"}); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { return "3", name == "BUILDBTW_NUMBER" }
	if err := fromEnvironment(flags, lookup, os.ReadFile); err != nil {
		t.Fatal(err)
	}
	if err := fromConfig(flags); err != nil {
		t.Fatal(err)
	}
	want := whole()
	want.Word, want.List, want.On, want.Number = "flag", []string{"one"}, true, 3
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigErrorsSayWhere(t *testing.T) {
	t.Parallel()
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"word = 'a'\n\nnumbr = 3\n":  "line 3: there is no setting numbr; do you mean number?",
		"[word]\nx = 1\n":            "line 1: setting word: it takes a text, a number",
		"number = 11\n":              "line 1: setting number: ",
		"number = \"many\"\n":        "line 1: setting number: ",
		"on = \"perhaps\"\n":         "line 1: setting on: ",
		"word = ['a', 'b']\n":        "line 1: setting word: it takes one value",
		"cap = ['big']\n":            "line 1: setting cap: ",
		"time = 5\n":                 "line 1: setting time: ",
		"config = 'other.toml'\n":    "line 1: there is no setting config",
		"token-file = '/no/where'\n": "line 1: setting token-file: ",
		"word = 'a'\nword = 'b'\n":   "line 2: ",
		"word = \n":                  "line 1: ",
	} {
		var v values
		flags, path := config(t, &v, text)
		if err := fromConfig(flags); err == nil || !strings.Contains(err.Error(), path+", "+want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	var v values
	flags, path := config(t, &v, "token-file = '"+secretFile+"'\n")
	if err := fromConfig(flags); err != nil || v.Token != "from a file" {
		t.Errorf("token %q, %v", v.Token, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := fromConfig(flags); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("got %v", err)
	}
}

func TestASecretIsNotLeftWhereOthersRead(t *testing.T) {
	t.Parallel()
	var v values
	flags, path := config(t, &v, "token = 'sekrit'\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := fromConfig(flags); err == nil || !strings.Contains(err.Error(), "others can read") || strings.Contains(err.Error(), "sekrit") {
		t.Errorf("got %v", err)
	}
}

func TestAddressesOfChannelsAreShownUpToTheHost(t *testing.T) {
	t.Parallel()
	var list []string
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.StringArrayVar(&list, "notify", nil, "channels")
	SecretPaths(flags, "notify")
	for _, value := range []string{
		"ops=webhook,url=https://u:hush@hooks.test/hush?token=hush,secret-file=/etc/x", "chat=http,method=PUT,url=https://chat.test?hush", "list=mail,to=a@lists.test",
	} {
		if err := flags.Set("notify", value); err != nil {
			t.Fatal(err)
		}
	}
	text, err := Settings(flags)
	if err != nil || strings.Contains(text, "hush") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, want := range []string{"ops=webhook,url=https://hooks.test/…,secret-file=/etc/x", "chat=http,method=PUT,url=https://chat.test/…", "list=mail,to=a@lists.test"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not shown in\n%s", want, text)
		}
	}
}

// What Settings prints can be read again, and has no secret in it.
func TestSettingsAreAConfig(t *testing.T) {
	t.Parallel()
	var v values
	flags, path := config(t, &v, strings.ReplaceAll(wholeConfig, `"c"]`, `"core=https://u:hush@mirror.test/core"]`))
	if err := fromConfig(flags); err != nil {
		t.Fatal(err)
	}
	text, err := Settings(flags)
	if err != nil || strings.Contains(text, "sekrit") || strings.Contains(text, "hush") || !strings.Contains(text, "# from "+path+"\nnumber = 7\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	var again values
	flags, _ = config(t, &again, text)
	if err := fromConfig(flags); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := whole()
	want.Token, want.List[1] = "(hidden)", "core=https://u:xxxxx@mirror.test/core"
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
