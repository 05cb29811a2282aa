package transfer

import (
	"math"
	"testing"
)

// FuzzParseRange holds that whatever a client asks for, what is sent lies within
// the content.
func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{
		"", "bytes=", "bytes=-", "bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-2", "bytes=1-2,4-5", "bytes=9223372036854775807-",
		"bytes=-9223372036854775808", "bytes=0-18446744073709551615", "bytes=+1-2", "lines=1-2", "bytes= 1-2", "bytes=--1",
	} {
		f.Add(seed, int64(10))
	}
	f.Add("bytes=0-", int64(0))
	f.Add("bytes=-1", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		part, err := parseRange(header, size)
		if err != nil {
			return
		}
		if part.start < 0 || part.length < 0 || part.start > size || part.length > size-part.start {
			t.Errorf("parseRange(%q, %d) = %+v, which is not within", header, size, part)
		}
		if !part.partial && part.length != size {
			t.Errorf("parseRange(%q, %d) = %+v: not a part, but not all either", header, size, part)
		}
		if part.partial && part.length == 0 {
			t.Errorf("parseRange(%q, %d) = %+v: a part of nothing", header, size, part)
		}
	})
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		`"a"`: true, `W/"a"`: true, `"b", "a"`: true, "*": true, `"b"`: false, "": false, `a`: false, `"ab"`: false,
	} {
		if got := Matches(header, `"a"`); got != want {
			t.Errorf("Matches(%q) = %v", header, got)
		}
	}
}
