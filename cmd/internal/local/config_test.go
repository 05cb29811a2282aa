package local

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigurationNamesServers(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "bbtw.toml")
	write(t, name, `# servers
default = "team" # of work

[servers.team]
url = "https://build.example.org/sub"
token-file = "/home/anna/t\"oken"
[servers]
"home".url = 'http://127.0.0.1:8080'
`)
	c, err := ReadConfig(name)
	if err != nil {
		t.Fatal(err)
	}
	if c.Default != "team" || c.Servers["team"] != (NamedServer{"https://build.example.org/sub", `/home/anna/t"oken`}) || c.Servers["home"].URL != "http://127.0.0.1:8080" {
		t.Errorf("read %+v", c)
	}
	if got := c.Has(); got != "it has home, team" {
		t.Errorf("it says %q", got)
	}
	if c, err := ReadConfig(filepath.Join(t.TempDir(), "none")); err != nil || len(c.Servers) != 0 {
		t.Errorf("without a file: %+v, %v", c, err)
	}
}

// What a configuration does not mean is said with its line.
func TestConfigurationIsReadStrictly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"default = team":                                   "line 1, column ",
		"default = [1]":                                    "line 1, column ",
		"\nserver = \"x\"":                                 `line 2: there is no setting "server"`,
		"[server.x]":                                       `line 1: there is no setting "server.x"`,
		"[servers.x]\nulr = \"x\"":                         `line 2: a server has no setting "ulr"`,
		"[servers.x]\nurl = \"a\"\nurl.b = 1":              "line 3",
		"[servers.x]":                                      `server "x" has no url`,
		"[servers.x]\nurl = \"a\"\n[servers.x]":            "line 3",
		"[servers.x]\nurl = \"a\"\nurl = \"b\"":            "line 3",
		"[servers.x]\nurl = \"a\" b":                       "line 2",
		"[servers.x]\nurl = \"a\"\ntoken-file = \"token\"": `token-file "token" of server "x" has no directory`,
		"url":                          "line 1",
		"[servers.x]\nurl = \"unended": "line 2",
		"default = \"a\"\n" + strings.Repeat("#", 2<<20): "larger than",
	} {
		name := filepath.Join(t.TempDir(), "bbtw.toml")
		write(t, name, text)
		if _, err := ReadConfig(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A server that has ended is told from one that runs; what was started last comes first.
func TestServersThatRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "socket")
		}
		ln, err := new(net.ListenConfig).Listen(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Publish(dir, ln.Addr(), "http://"+network+".example"); err != nil {
			t.Fatal(err)
		}
		s, ok, err := Find(dir, "http://"+network+".example")
		if err != nil || !ok || !s.Runs(t.Context()) {
			t.Errorf("%s: found %v, %v", network, ok, err)
		}
		_ = ln.Close()
		if s.Runs(t.Context()) {
			t.Errorf("%s: it runs though it has ended", network)
		}
	}
	list, err := List(dir)
	if err != nil || len(list) != 2 || list[0].Started.Before(list[1].Started) {
		t.Errorf("listed %+v, %v", list, err)
	}
}

// The code of a link is in a file of this user alone, and not for ever.
func TestALinkIsKeptForThisUserForAWhile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	old, err := KeepLink(dir, "http://127.0.0.1:1/sign-in?next=%2F#code=old", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	name, err := KeepLink(dir, `http://127.0.0.1:1/sign-in?a=1&b="#code=new`, time.Now().Add(linkTime+time.Second))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if dirInfo, err := os.Stat(filepath.Dir(name)); err != nil || dirInfo.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", dirInfo, err)
	}
	text, err := os.ReadFile(name)
	if want := `content="0; url=http://127.0.0.1:1/sign-in?a=1&amp;b=&#34;#code=new"`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("no %s in %s, %v", want, text, err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the page of before is still there: %v", err)
	}
}
