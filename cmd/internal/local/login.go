package local

import (
	"errors"
	"fmt"
	"io/fs"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw/internal/atomicfile"
)

// Login is a token that this user has for a server, from 'bbtw auth login'.
type Login struct {
	URL  string
	Kept time.Time
	dir  string
}

// TokenFile is the file with the token.
func (l Login) TokenFile() string { return filepath.Join(l.dir, tokenFile) }

// ReadToken reads the token as it is now.
func (l Login) ReadToken() (string, error) {
	token, err := readSecret(l.TokenFile())
	if err != nil {
		return "", fmt.Errorf("read the token of the login at %s: %w; run 'bbtw auth login' again", l.URL, err)
	}
	return token, nil
}

// Remove removes the token from this machine. Without it the URL is of no use.
func (l Login) Remove() error {
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("remove the login at %s: %w", l.URL, err)
	}
	return nil
}

// KeepLogin keeps the token for a server, in the place of the one before.
func KeepLogin(dir, url, token string) (Login, error) {
	own, err := loginDir(dir, url)
	if err != nil {
		return Login{}, err
	}
	for _, d := range []string{dir, filepath.Dir(own), own} {
		if err := privateDir(d); err != nil {
			return Login{}, err
		}
	}
	// The URL comes last: a token is never found for another server's.
	if err := os.Remove(filepath.Join(own, urlFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Login{}, fmt.Errorf("replace the login at %s: %w", url, err)
	}
	for _, f := range []struct{ name, text string }{{tokenFile, token}, {urlFile, url}} {
		if err := atomicfile.WriteBytes(filepath.Join(own, f.name), 0o600, []byte(f.text+"\n")); err != nil {
			return Login{}, fmt.Errorf("keep the login at %s: %w", url, err)
		}
	}
	return Login{URL: url, Kept: time.Now(), dir: own}, nil
}

// FindLogin returns the login at the server with a URL or, when the URL is empty, the
// last one. ok is false when there is none. A login is for one scheme, host, port and
// path: a token that came over https is never sent without.
func FindLogin(dir, url string) (found Login, ok bool, err error) {
	list, err := os.ReadDir(filepath.Join(dir, "logins"))
	if errors.Is(err, fs.ErrNotExist) {
		return found, false, nil
	}
	if err != nil {
		return found, false, fmt.Errorf("look for logins: %w", err)
	}
	for _, entry := range list {
		own := filepath.Join(dir, "logins", entry.Name())
		text, err := os.ReadFile(filepath.Join(own, urlFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was not written to its end
		}
		if err != nil {
			return found, false, fmt.Errorf("read the URL of a login: %w", err)
		}
		info, err := os.Stat(filepath.Join(own, urlFile))
		if err != nil {
			return found, false, fmt.Errorf("read the URL of a login: %w", err)
		}
		known := strings.TrimSpace(string(text))
		if (url == "" || canonical(url) == canonical(known)) && info.ModTime().After(found.Kept) {
			found, ok = Login{URL: known, Kept: info.ModTime(), dir: own}, true
		}
	}
	return found, ok, nil
}

// loginDir returns the directory for the login at a server: HOST_PORT, and the rest of
// the URL if there is one.
func loginDir(dir, url string) (string, error) {
	u, err := neturl.Parse(canonical(url))
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is no URL of a server", url)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	name := u.Hostname() + "_" + port
	if rest := strings.Trim(u.Path, "/"); rest != "" {
		name += "_" + neturl.QueryEscape(rest)
	}
	return filepath.Join(dir, "logins", strings.ReplaceAll(name, "/", "_")), nil
}
