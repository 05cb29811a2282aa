package runners

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"buildbtw/internal/atomicfile"
)

// identity is how the server knows a worker again, and tells it from another one of
// the same name.
type identity struct {
	secret   string
	instance string // the directory of the secret, on this machine, since it was started
}

// secretName is the file with a worker's secret.
const secretName = "secret"

var validSecret = regexp.MustCompile(`^[0-9a-f]{64}$`)

// openIdentity reads the secret in a directory, which it makes at the first
// start. A copy of the directory has the same secret and another instance.
func openIdentity(dir string) (identity, error) {
	path := filepath.Join(dir, secretName)
	secret, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeSecret(path); err == nil {
			secret, err = readSecret(path)
		}
	}
	if err != nil {
		return identity{}, fmt.Errorf("the secret by which the server knows this worker: %w", err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id") // random(4)
	if err != nil {
		return identity{}, fmt.Errorf("tell this machine from others: %w", err)
	}
	var info syscall.Stat_t
	if err := syscall.Stat(dir, &info); err != nil {
		return identity{}, fmt.Errorf("look at the directory of the secret: %w", err)
	}
	return identity{secret, fmt.Sprintf("%s %d %d", strings.TrimSpace(string(boot)), info.Dev, info.Ino)}, nil
}

// Suffix returns six letters and digits that tell the worker whose secret is in a directory
// from others: they follow from the secret, which is made if there is none, and do not give
// it away.
func Suffix(dir string) (string, error) {
	id, err := openIdentity(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte("suffix of a name " + id.secret))
	return hex.EncodeToString(sum[:3]), nil
}

// makeSecret writes a new secret, unless another process has just done so.
func makeSecret(path string) error {
	temp, err := atomicfile.Temp(filepath.Dir(path), 0o600, func(w io.Writer) error {
		b := make([]byte, 32)
		rand.Read(b) // it never fails: crypto/rand ends the program instead
		_, err := fmt.Fprintf(w, "%x\n", b)
		return err
	})
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || !info.Mode().IsRegular() || int(owner.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s must be a file that only the user who runs the worker can read; remove it, and a new one is made", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if !validSecret.MatchString(secret) {
		return "", fmt.Errorf("%s is damaged; remove it, and a new one is made", path)
	}
	return secret, nil
}
