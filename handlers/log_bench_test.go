package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hugeLog gives a build with a log of 200 MB, like that of a large compilation:
// long lines, warnings in colour, one error at the end.
func (s *site) hugeLog(b *testing.B) (path string, lines int64) {
	b.Helper()
	path, c := s.running(b, "")
	random := rand.New(rand.NewPCG(1, 2))
	var part strings.Builder
	for i := 0; part.Len() < 4<<20; i++ {
		if random.IntN(40) == 0 {
			part.WriteString("\x1b[01m\x1b[Ksrc/x.c:3:5:\x1b[m\x1b[K \x1b[01;35m\x1b[Kwarning: \x1b[m\x1b[Kunused variable 'error' [-Wunused]\n")
		} else {
			fmt.Fprintf(&part, "[%5d/9000] cc -Wall -O2 -pipe -fno-plt -fexceptions -c src/module_%d/file_%d.c -o build/%d.o\n", i, random.IntN(50), i, i)
		}
	}
	offset := int64(0)
	for text := part.String(); offset < 200<<20; lines += int64(strings.Count(text, "\n")) {
		var err error
		offset, err = s.logs.Append(c.Attempt.Name(), offset, strings.NewReader(text))
		must(b, err)
	}
	_, err := s.logs.Append(c.Attempt.Name(), offset, strings.NewReader("==> ERROR: A failure occurred in build().\n"))
	must(b, err)
	return path, lines + 1
}

// forgetIndexes deletes every index, so that logs are new to the server.
func (s *site) forgetIndexes(b *testing.B) {
	b.Helper()
	indexes, err := filepath.Glob(filepath.Join(filepath.Dir(s.dir), "logs", "*", "*.index"))
	must(b, err)
	for _, path := range indexes {
		must(b, os.Remove(path))
	}
}

// BenchmarkLog asks for a log of 200 MB as the page and its script do: packed,
// over HTTP.
func BenchmarkLog(b *testing.B) {
	s := newSite(b)
	path, lines := s.hugeLog(b)
	ask := func(b *testing.B, v *visitor) {
		b.Helper()
		if status, _ := v.ask(b); status != http.StatusOK || v.bytes == 0 {
			b.Fatal(status, v.bytes)
		}
	}
	b.Run("open-new", func(b *testing.B) {
		v := visitor{site: s, path: path + "/log"}
		for b.Loop() {
			b.StopTimer()
			s.forgetIndexes(b)
			b.StartTimer()
			ask(b, &v)
		}
		v.report(b)
	})
	b.Run("open", func(b *testing.B) {
		v := visitor{site: s, path: path + "/log"}
		for b.Loop() {
			ask(b, &v)
		}
		v.report(b)
	})
	b.Run("jump", func(b *testing.B) {
		v := visitor{site: s}
		for i := int64(1); b.Loop(); i++ {
			v.path = fmt.Sprintf("%s/log/lines?attempt=1&line=%d", path, i*7919%lines+1)
			ask(b, &v)
		}
		v.report(b)
	})
	for name, query := range map[string]string{
		"literal": "q=A+failure+occurred&case=true", "ignore-case": "q=a+FAILURE+occurred", "regexp": "q=failure+.*+in+%5Cw%2B%5C(%5C)&regexp=true",
		"no-word": "q=%5BA-Z%5D%5Cs%5Ba-z%5D%7B7%7D%5Cs%5Ba-z%5D%7B8%7D%5Cs&regexp=true&case=true", // is cut off at the bound
	} {
		b.Run("search-"+name, func(b *testing.B) {
			v := visitor{site: s, path: path + "/log/hits?attempt=1&" + query}
			for b.Loop() {
				ask(b, &v)
			}
			v.report(b)
		})
	}
}
