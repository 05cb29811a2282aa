package gitmirror

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Commit identifies a commit with its subject, author and author date, for lists.
type Commit struct {
	ID        string
	Subject   string // first line of its message, at most maxSubject bytes
	Author    string // name, without the address
	Time      time.Time
	Committed time.Time // the committer's date, which a push of an old patch renews
}

const (
	maxSubject    = 200     // bytes of a subject that are kept
	maxCommitText = 1 << 16 // bytes of a commit that is read; a larger one has no subject here
	keptCommits   = 8192    // that are remembered: lists of failed builds name the same ones again and again
)

// Commits returns the commits with these ids, by id. It leaves out an id that is not one of
// a commit in the mirror. Of a commit of more than 64 KiB only the id is there. The error is
// that of git.
func (m *Mirror) Commits(ctx context.Context, ids []string) (map[string]Commit, error) {
	known := make(map[string]Commit, len(ids))
	var unknown []string
	for _, id := range ids {
		if err := checkCommit(id); err != nil {
			continue
		}
		if c, ok := m.commits.Get(id); ok {
			known[id] = c
		} else {
			unknown = append(unknown, id)
		}
	}
	objects, err := m.git.readUpTo(ctx, unknown, maxCommitText, 0)
	if err != nil {
		return nil, fmt.Errorf("read commits: %w", err)
	}
	for _, o := range objects {
		if o.kind != "commit" {
			continue
		}
		c := Commit{ID: o.id}
		if o.text != nil {
			c = parseCommit(o.id, o.text)
		}
		m.commits.Put(o.id, c)
		known[o.id] = c
	}
	return known, nil
}

// parseCommit reads a commit object: a head of lines such as "author NAME <MAIL>
// SECONDS ZONE", an empty line, and the message.
func parseCommit(id string, text []byte) Commit {
	head, message, _ := strings.Cut(string(text), "\n\n")
	c := Commit{ID: id}
	subject, _, _ := strings.Cut(strings.TrimLeft(message, "\n"), "\n")
	c.Subject = readable(subject)
	c.Committed, _ = committerTime(text) // zero when it does not say
	for line := range strings.Lines(head) {
		if who, ok := strings.CutPrefix(line, "author "); ok {
			name, rest, _ := strings.Cut(who, " <")
			c.Author = readable(name)
			if _, when, ok := strings.Cut(rest, "> "); ok {
				seconds, _, _ := strings.Cut(strings.TrimSpace(when), " ")
				if n, err := strconv.ParseInt(seconds, 10, 64); err == nil {
					c.Time = time.Unix(n, 0).UTC()
				}
			}
			break
		}
	}
	return c
}

// readable returns a text of a commit as one line of at most maxSubject bytes, without
// characters that are not seen or turn the direction of others.
func readable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || hidden(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	if len(s) > maxSubject {
		s = strings.ToValidUTF8(s[:maxSubject], "") + "…"
	}
	return s
}
