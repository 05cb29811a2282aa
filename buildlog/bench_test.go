package buildlog

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// benchLog writes a log of 200 MB like that of a large build: coloured compiler
// lines, warnings, some errors.
func benchLog(b *testing.B, l *Logs) {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var part strings.Builder
	for i := 0; part.Len() < 4<<20; i++ {
		switch random.IntN(40) {
		case 0:
			part.WriteString("\x1b[01m\x1b[Ksrc/x.c:3:5:\x1b[m\x1b[K \x1b[01;35m\x1b[Kwarning: \x1b[m\x1b[Kunused variable 'error' [-Wunused]\n")
		default:
			fmt.Fprintf(&part, "[%5d/9000] cc -Wall -O2 -pipe -fno-plt -fexceptions -c src/module_%d/file_%d.c -o build/%d.o\n", i, random.IntN(50), i, i)
		}
	}
	for offset := int64(0); offset < 200<<20; {
		var err error
		if offset, err = l.Append(id(1), offset, strings.NewReader(part.String())); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := l.Append(id(1), 50*int64(part.Len()), strings.NewReader("==> ERROR: A failure occurred in build().\n")); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLog measures a log of 200 MB: looked through for the first time, a
// window in its middle, and searches to its end.
func BenchmarkLog(b *testing.B) {
	l := openLogs(b)
	benchLog(b, l)
	b.Run("first-look", func(b *testing.B) {
		for b.Loop() {
			os.Remove(indexOf(l, 1))
			open(b, l, 1).Close()
		}
	})
	b.Run("window", func(b *testing.B) {
		for i := int64(1); b.Loop(); i++ {
			v := open(b, l, 1)
			if lines, err := v.From(i*7919%v.Lines(), 500); err != nil || len(lines) == 0 {
				b.Fatal(len(lines), err)
			}
			v.Close()
		}
	})
	for name, q := range map[string]Query{
		"literal":     {Text: "A failure occurred"},
		"ignore-case": {Text: "a FAILURE occurred", IgnoreCase: true},
		"regexp":      {Text: `failure .* in \w+\(\)`, Regexp: true},
	} {
		b.Run("search-"+name, func(b *testing.B) {
			for b.Loop() {
				v := open(b, l, 1)
				if hits, _ := searchAll(b, v, q, 10); len(hits) != 1 {
					b.Fatal(hits)
				}
				v.Close()
			}
		})
	}
}
