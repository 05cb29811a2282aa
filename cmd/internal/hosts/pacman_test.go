package hosts_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// closedRepository lets pacman on the client's host fetch from a server with
// --repo-read=false, in the two ways of docs/operations.md, and in none without a
// token. The package is that of watchAndBuild.
func (s *site) closedRepository(tokenFile string) {
	s.t.Helper()
	if _, err := exec.LookPath("pacman"); err != nil {
		s.t.Logf("pacman is not here: %v", err)
		return
	}
	// What pacman's own downloader trusts: "ip netns exec" shows it as /etc/ssl.
	trusted := filepath.Join("/etc/netns", s.client.namespace, "ssl", "certs")
	if err := errors.Join(os.MkdirAll(trusted, 0o755), os.WriteFile(filepath.Join(trusted, "ca-certificates.crt"), s.authority.pem, 0o644)); err != nil {
		s.t.Fatal(err)
	}
	token := s.read(tokenFile)
	s.secret("netrc", "machine "+serverName+" login buildbtw password "+token)
	s.secret("wrong", "machine "+serverName+" login buildbtw password wrong")
	curl := "XferCommand = /usr/bin/curl -qfsSL --cacert " + s.path("ca.pem") + " --netrc-file " + s.path("%s") + " -C - -o %%o %%u\n"
	open := "https://" + serverName
	for name, test := range map[string]struct {
		option, server string
		works          bool
	}{
		"the token in the URL":         {"", "https://buildbtw:" + token + "@" + serverName, true},
		"the token in a file for curl": {fmt.Sprintf(curl, "netrc"), open, true},
		"no token":                     {"", open, false},
		"another token":                {"", "https://buildbtw:wrong@" + serverName, false},
		"another token for curl":       {fmt.Sprintf(curl, "wrong"), open, false},
	} {
		root := s.path("pacman-" + strings.ReplaceAll(name, " ", "-"))
		for _, dir := range []string{"var/lib/pacman", "cache"} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				s.t.Fatal(err)
			}
		}
		conf := filepath.Join(root, "pacman.conf")
		text := "[options]\nArchitecture = x86_64\n" + test.option + "\n[big]\nSigLevel = Never\nServer = " + test.server + "/repo/big_1/os/$arch\n"
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		out, err := s.run(s.client, []string{"LC_ALL=C"}, "pacman", "--config", conf, "--root", root, "--dbpath", filepath.Join(root, "var/lib/pacman"),
			"--cachedir", filepath.Join(root, "cache"), "--noconfirm", "--noprogressbar", "-Syw", "big")
		files, _ := filepath.Glob(filepath.Join(root, "cache", "big-1-1-x86_64.pkg.tar*"))
		if test.works != (err == nil && len(files) == 1) || !test.works && !strings.Contains(out, "401") {
			s.t.Errorf("pacman with %s: %v, files %v\n%s", name, err, files, out)
		}
		if strings.Contains(out, token) {
			s.t.Errorf("pacman with %s shows it:\n%s", name, out)
		}
	}
}
