package limit_test

import (
	"testing"

	"buildbtw/internal/limit"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"4GiB": 4 << 30, "1.5G": 3 << 29, "300 MiB": 300 << 20, "300mb": 300 << 20, "17": 17, "0": 0, "2TiB": 2 << 40} {
		if got, err := limit.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, wrong := range []string{"", "-1", "much", "1XB", "9999999TiB", "NaN", "Inf", "G"} {
		if got, err := limit.ParseBytes(wrong); err == nil {
			t.Errorf("%q is %d bytes", wrong, got)
		}
	}
	for n, want := range map[int64]string{4 << 30: "4 GiB", 3 << 29: "1.5 GiB", 300 << 20: "300 MiB", 17: "17 bytes"} {
		if got := limit.Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestLimitsInWords(t *testing.T) {
	t.Parallel()
	for l, want := range map[limit.Limits]string{
		{}: "none",
		{Memory: 1 << 30, Processes: 5, Disk: 2 << 30}: "1 GiB of memory, 5 processes, 2 GiB of disk",
	} {
		if got := l.String(); got != want {
			t.Errorf("%+v: %q, want %q", l, got, want)
		}
	}
}
