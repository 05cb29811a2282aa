// Package local is how a server and the programs of the user who runs it find each
// other: the server leaves its URL and tokens in a directory that only this user
// can read, and bbtw and workers look there when they are given nothing else.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"buildbtw/internal/atomicfile"
)

// Dir returns the directory for the state of this user's programs
// ($XDG_STATE_HOME, XDG Base Directory Specification).
func Dir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "buildbtw"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the directory for state: %w; set XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local", "state", "buildbtw"), nil
}

// DefaultURL is that of a server with default settings.
const DefaultURL = "http://127.0.0.1:8080"

// Names of the files in the directory of a server.
const (
	urlFile         = "url"
	listenFile      = "listen" // the network and address that it listens on
	tokenFile       = "token"
	workerTokenFile = "worker-token"
)

// Server is a server that runs, or ran, for this user.
type Server struct {
	URL         string
	Token       string    // of an administrator; only Publish returns it
	WorkerToken string    // of build machines; only Publish returns it
	Started     time.Time // only Find returns it
	dir         string    // of the files; empty when they could not be written
}

// TokenFile is the file with the administrator's token.
func (s Server) TokenFile() string { return filepath.Join(s.dir, tokenFile) }

// WorkerTokenFile is the file with the token of build machines; empty when it
// could not be written.
func (s Server) WorkerTokenFile() string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.dir, workerTokenFile)
}

// ReadToken reads the administrator's token as it is now.
func (s Server) ReadToken() (string, error) { return readSecret(s.TokenFile()) }

// ReadWorkerToken reads the token of build machines as it is now.
func (s Server) ReadWorkerToken() (string, error) { return readSecret(s.WorkerTokenFile()) }

// Publish writes where a server listens and the tokens that it accepts. They are
// made anew at every start: somebody else who listens on the address of a server
// that has ended learns nothing of use. On an error the server works all the same,
// but its user's programs do not find it.
func Publish(dir string, listen net.Addr, url string) (Server, error) {
	s := Server{URL: url, Token: newToken(), WorkerToken: newToken()}
	own := filepath.Join(dir, "servers", strings.ReplaceAll(listen.String(), "/", "_"))
	for _, d := range []string{dir, filepath.Dir(own), own} {
		if err := privateDir(d); err != nil {
			return s, err
		}
	}
	address := listen.Network() + " " + listen.String()
	for _, f := range []struct{ name, text string }{{listenFile, address}, {tokenFile, s.Token}, {workerTokenFile, s.WorkerToken}, {urlFile, url}} {
		if err := atomicfile.WriteBytes(filepath.Join(own, f.name), 0o600, []byte(f.text+"\n")); err != nil {
			return s, fmt.Errorf("write the %s for this user's programs: %w", f.name, err)
		}
	}
	s.dir = own
	return s, forgetOld(filepath.Dir(own))
}

// keptServers is how long the files of a server stay that is not started again.
const keptServers = 30 * 24 * time.Hour

// forgetOld removes the files of servers that were started long ago, as those of
// tests on ports of chance.
func forgetOld(servers string) error {
	list, err := os.ReadDir(servers)
	if err != nil {
		return fmt.Errorf("look for old servers of this user: %w", err)
	}
	for _, entry := range list {
		own := filepath.Join(servers, entry.Name())
		if info, err := os.Stat(filepath.Join(own, urlFile)); err == nil && time.Since(info.ModTime()) > keptServers {
			if err := os.RemoveAll(own); err != nil {
				return fmt.Errorf("remove the files of an old server: %w", err)
			}
		}
	}
	return nil
}

// privateDir makes a directory that only this user can enter.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory for this user's programs: %w", err)
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = os.Chmod(dir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("make %s private: %w", dir, err)
	}
	return nil
}

// readSecret reads a token that nobody else can have read or written.
func readSecret(name string) (string, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others than you could read or write %s; get a new one, by starting the server or signing in again", name)
	}
	text, err := os.ReadFile(name)
	return strings.TrimSpace(string(text)), err
}

// newToken returns a secret of 130 random bits.
func newToken() string { return strings.ToLower(rand.Text()) }

// Find returns the server of this user with a URL or, when the URL is empty, the one
// that was started last. ok is false when there is none.
func Find(dir, url string) (found Server, ok bool, err error) {
	list, err := List(dir)
	if err != nil {
		return found, false, err
	}
	wanted := canonical(url)
	for _, s := range list {
		if wanted == "" || wanted == canonical(s.URL) || wanted == canonical("http://"+filepath.Base(s.dir)) {
			if url != "" {
				s.URL = url
			}
			return s, true, nil
		}
	}
	return found, false, nil
}

// List returns the servers of this user, the one that was started last first, whether
// they run or not.
func List(dir string) ([]Server, error) {
	servers := filepath.Join(dir, "servers")
	entries, err := os.ReadDir(servers)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // HOME is another user's after su or setpriv
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for this user's servers: %w", err)
	}
	var list []Server
	for _, entry := range entries {
		own := filepath.Join(servers, entry.Name())
		info, err := os.Stat(filepath.Join(own, urlFile))
		if err != nil {
			continue // it was not written to its end
		}
		text, err := os.ReadFile(filepath.Join(own, urlFile))
		if err != nil {
			return nil, fmt.Errorf("read the URL of this user's server: %w", err)
		}
		list = append(list, Server{URL: strings.TrimSpace(string(text)), Started: info.ModTime(), dir: own})
	}
	slices.SortStableFunc(list, func(a, b Server) int { return b.Started.Compare(a.Started) })
	return list, nil
}

// answerTime is how long a server on this machine may take to accept a connection.
const answerTime = time.Second

// Runs reports whether something listens where the server did. One of which that is not
// known, because it was started by a program of before, is taken to run.
func (s Server) Runs(ctx context.Context) bool {
	text, err := os.ReadFile(filepath.Join(s.dir, listenFile))
	network, address, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if err != nil || !ok {
		network, address = "tcp", filepath.Base(s.dir)
		if _, _, err := net.SplitHostPort(address); err != nil {
			return true
		}
	}
	conn, err := (&net.Dialer{Timeout: answerTime}).DialContext(ctx, network, address)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was said
	return true
}

// canonical writes a URL so that the names of this machine's loopback are equal.
func canonical(url string) string {
	url = strings.TrimRight(url, "/")
	for _, name := range []string{"localhost", "[::1]"} {
		if rest, ok := strings.CutPrefix(url, "http://"+name+":"); ok {
			return "http://127.0.0.1:" + rest
		}
	}
	return url
}
