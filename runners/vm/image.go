package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// checkImage compares an image with the digest that it must have. Reading some
// gigabytes takes seconds, so a file that has not changed since is not read
// again. No digest: nothing to compare.
func (o Options) checkImage(ctx context.Context, file, want string) error {
	want = strings.ToLower(strings.TrimSpace(want))
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("the image for guests is not there: %w", err)
	}
	if want == "" {
		return nil
	}
	notes := notebook{o.CacheDir}
	key := "image " + stamp(file)
	if notes.read(key) == want {
		return nil
	}
	got, err := digest(ctx, file)
	if err != nil {
		return fmt.Errorf("read the image for guests: %w", err)
	}
	if got != want {
		return fmt.Errorf("the image %s is not the one that was asked for: its SHA-256 is %s, not %s; fetch it again, or correct --vm-image-sha256", file, got, want)
	}
	notes.write(key, got)
	return nil
}

func digest(ctx context.Context, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	buffer := make([]byte, 1<<20)
	for ctx.Err() == nil {
		n, err := f.Read(buffer)
		h.Write(buffer[:n])
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", context.Cause(ctx)
}
