// Package objectstest gives tests object storage: a real S3 server, and a bucket in memory that fails
// as the test wants.
package objectstest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw/objects"
)

// BinaryVariable is the environment variable that names the S3 server of the tests; see make
// test-objects.
const BinaryVariable = "BUILDBTW_S3_SERVER"

// Key and Secret are those of a Server.
const (
	Key    = "test-key"
	Secret = "test-secret-0123456789"
)

// Name is the bucket that a Server has.
const Name = "files"

// Server is a versitygw on a loopback address.
type Server struct {
	Address string // host and port
	Dir     string // of the buckets' files

	tb     testing.TB
	binary string
	side   string
	cmd    *exec.Cmd
}

// Start starts a server that ends with the test. The test is skipped when binary is empty.
func Start(tb testing.TB, binary string) *Server {
	tb.Helper()
	if binary == "" {
		tb.Skipf("skipped: %s names no S3 server; make test-objects builds one", BinaryVariable)
	}
	s := &Server{tb: tb, binary: binary, Dir: tb.TempDir(), side: tb.TempDir()}
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		tb.Fatal(err)
	}
	s.Address = ln.Addr().String()
	if err := ln.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.Dir, Name), 0o755); err != nil {
		tb.Fatal(err)
	}
	s.Up()
	tb.Cleanup(s.Down)
	return s
}

// Up starts the server again, with the files that it has.
func (s *Server) Up() {
	s.tb.Helper()
	s.cmd = exec.Command(s.binary, "--port", s.Address, "--quiet", "posix", "--sidecar", s.side, s.Dir) //nolint:noctx // Down ends it
	s.cmd.Env = []string{"ROOT_ACCESS_KEY=" + Key, "ROOT_SECRET_KEY=" + Secret, "HOME=" + s.side}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	for begun := time.Now(); ; {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second) //nolint:noctx // it is bounded
		if err == nil {
			_ = conn.Close() // nothing was written
			return
		}
		if time.Since(begun) > time.Minute {
			s.tb.Fatalf("the S3 server does not listen: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Down ends the server.
func (s *Server) Down() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()
	s.cmd = nil
}

// URL returns the location of a prefix in its bucket, as --object-storage has it.
func (s *Server) URL(prefix string) string {
	return "s3://" + Name + "/" + prefix + "?endpoint=http://" + s.Address
}

// Bucket opens a prefix in its bucket.
func (s *Server) Bucket(prefix string, c objects.Credentials) objects.Bucket {
	s.tb.Helper()
	l, err := objects.ParseLocation(s.URL(prefix))
	if err != nil {
		s.tb.Fatal(err)
	}
	b, err := objects.Open(l, c)
	if err != nil {
		s.tb.Fatal(err)
	}
	return b
}

// Memory is a bucket in memory. The zero value is empty.
type Memory struct {
	// Fail, when set, is asked before each operation ("put", "open", "stat", "remove", "list") for
	// the error that it has.
	Fail func(operation, key string) error

	// Change, when set, replaces what a reader gets.
	Change func(key string, data []byte) []byte

	mu      sync.Mutex
	objects map[string][]byte
	digests map[string]string
	opened  int
}

func (m *Memory) fail(operation, key string) error {
	if m.Fail == nil {
		return nil
	}
	return m.Fail(operation, key)
}

// Keys returns the keys of all objects, sorted.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

// Opened returns how often something was read.
func (m *Memory) Opened() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened
}

// Put implements objects.Bucket.
func (m *Memory) Put(_ context.Context, o objects.Object, body io.Reader) error {
	if err := m.fail("put", o.Key); err != nil {
		return err
	}
	data, err := io.ReadAll(body)
	if err == nil && int64(len(data)) != o.Size {
		err = fmt.Errorf("%s has %d bytes, not %d", o.Key, len(data), o.Size)
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects, m.digests = map[string][]byte{}, map[string]string{}
	}
	m.objects[o.Key], m.digests[o.Key] = data, o.SHA256
	return nil
}

// Open implements objects.Bucket.
func (m *Memory) Open(_ context.Context, key string, offset, size int64) (io.ReadCloser, error) {
	if err := m.fail("open", key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened++
	data, ok := m.objects[key]
	if !ok {
		return nil, objects.ErrNotThere
	}
	if m.Change != nil {
		data = m.Change(key, data)
	}
	data = data[min(offset, int64(len(data))):min(offset+size, int64(len(data)))]
	if int64(len(data)) < size {
		return io.NopCloser(io.MultiReader(bytes.NewReader(data), cut{})), nil
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// cut is the end of an answer that was cut off.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Stat implements objects.Bucket.
func (m *Memory) Stat(_ context.Context, key string) (objects.Object, error) {
	if err := m.fail("stat", key); err != nil {
		return objects.Object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[key]
	if !ok {
		return objects.Object{}, objects.ErrNotThere
	}
	return objects.Object{Key: key, Size: int64(len(data)), SHA256: m.digests[key]}, nil
}

// Remove implements objects.Bucket.
func (m *Memory) Remove(_ context.Context, key string) error {
	if err := m.fail("remove", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// List implements objects.Bucket.
func (m *Memory) List(_ context.Context, prefix string) iter.Seq2[objects.Object, error] {
	return func(yield func(objects.Object, error) bool) {
		if err := m.fail("list", prefix); err != nil {
			yield(objects.Object{}, err)
			return
		}
		for _, key := range m.Keys() {
			m.mu.Lock()
			size := int64(len(m.objects[key]))
			m.mu.Unlock()
			if strings.HasPrefix(key, prefix) && !yield(objects.Object{Key: key, Size: size}, nil) {
				return
			}
		}
	}
}
