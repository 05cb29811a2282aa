package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw/internal/atomicfile"
)

// linkTime is how long a link with a code is good; the server says so, too.
const linkTime = 2 * time.Minute

// KeepLink writes a page that leads a browser to a link, which has a secret in it, and
// returns its file name. Only this user can read it. Those of before whose time is over
// are removed: a browser reads its page after the program that started it has ended.
func KeepLink(dir, link string, now time.Time) (string, error) {
	own := filepath.Join(dir, "open")
	for _, d := range []string{dir, own} {
		if err := privateDir(d); err != nil {
			return "", err
		}
	}
	entries, err := os.ReadDir(own)
	if err != nil {
		return "", fmt.Errorf("look for pages of before: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || now.Sub(info.ModTime()) < linkTime {
			continue
		}
		if err := os.Remove(filepath.Join(own, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("remove a page of before: %w", err)
		}
	}
	to := html.EscapeString(link)
	page := `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">` +
		`<meta http-equiv="refresh" content="0; url=` + to + `"><title>buildbtw</title><p><a href="` + to + `">Sign in to buildbtw</a></p>` + "\n"
	name := filepath.Join(own, strings.ToLower(rand.Text())+".html")
	return name, atomicfile.WriteBytes(name, 0o600, []byte(page))
}
