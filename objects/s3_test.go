package objects_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/objects"
	"buildbtw/objects/objectstest"
)

var right = objects.Credentials{Key: objectstest.Key, Secret: objectstest.Secret}

func server(t testing.TB) *objectstest.Server {
	t.Helper()
	return objectstest.Start(t, os.Getenv(objectstest.BinaryVariable))
}

func randomBytes(n int) []byte {
	data := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = source.Read(data) // it never fails
	return data
}

func put(t testing.TB, b objects.Bucket, key string, data []byte) objects.Object {
	t.Helper()
	sum := sha256.Sum256(data)
	o := objects.Object{Key: key, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	if err := b.Put(t.Context(), o, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return o
}

func read(b objects.Bucket, key string, offset, size int64) ([]byte, error) {
	body, err := b.Open(context.Background(), key, offset, size)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}

func TestObjectsInARealStorage(t *testing.T) {
	t.Parallel()
	s := server(t)
	b := s.Bucket("some/prefix", right)
	data := randomBytes(3<<20 + 17)
	o := put(t, b, "logs/1-ab.log.zst", data)
	put(t, b, "logs/2.log.zst", []byte("two"))
	put(t, b, "other/3", nil)
	if got, err := b.Stat(t.Context(), o.Key); err != nil || got != o {
		t.Errorf("stat is %+v (%v), want %+v", got, err, o)
	}
	for _, part := range [][2]int64{{0, o.Size}, {0, 1}, {o.Size - 1, 1}, {1 << 20, 1 << 20}} {
		if got, err := read(b, o.Key, part[0], part[1]); err != nil || !bytes.Equal(got, data[part[0]:part[0]+part[1]]) {
			t.Errorf("bytes %v: %d of them, %v", part, len(got), err)
		}
	}
	if _, err := read(b, o.Key, o.Size-10, 20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("more than there is ends with %v", err)
	}
	r := objects.NewBlocks(b).File(t.Context(), o)
	got := make([]byte, 1<<20)
	if _, err := r.ReadAt(got, 500<<10); err != nil || !bytes.Equal(got, data[500<<10:1524<<10]) {
		t.Errorf("in blocks it is another (%v)", err)
	}
	var keys []string
	for o, err := range b.List(t.Context(), "logs/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, fmt.Sprint(o.Key, " ", o.Size))
	}
	if !slices.Equal(keys, []string{fmt.Sprint(o.Key, " ", o.Size), "logs/2.log.zst 3"}) {
		t.Errorf("the list has %q", keys)
	}
	if _, err := os.Stat(s.Dir + "/" + objectstest.Name + "/some/prefix/logs/1-ab.log.zst"); err != nil {
		t.Errorf("it lies elsewhere: %v", err)
	}
	for range 2 {
		if err := b.Remove(t.Context(), o.Key); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Stat(t.Context(), o.Key); !errors.Is(err, objects.ErrNotThere) {
		t.Errorf("stat of a removed one: %v", err)
	}
	if _, err := read(b, o.Key, 0, 1); !errors.Is(err, objects.ErrNotThere) {
		t.Errorf("reading a removed one: %v", err)
	}
	wrong := o
	wrong.SHA256 = strings.Repeat("0", 64)
	if err := b.Put(t.Context(), wrong, bytes.NewReader(data)); err == nil {
		t.Error("the storage took bytes of another digest")
	}
	if _, err := b.Stat(t.Context(), o.Key); !errors.Is(err, objects.ErrNotThere) {
		t.Errorf("after that there is one: %v", err)
	}
}

func TestTroubleWithARealStorageIsSaidInWords(t *testing.T) {
	t.Parallel()
	s := server(t)
	put(t, s.Bucket("x", right), "a", []byte("text"))
	for want, b := range map[string]objects.Bucket{
		"refuses the credentials":  s.Bucket("x", objects.Credentials{Key: objectstest.Key, Secret: "not-the-secret-99"}),
		"refuses the credentials ": s.Bucket("x", objects.Credentials{Key: "nobody", Secret: "not-the-secret-99"}),
	} {
		for what, err := range map[string]error{"open": second(read(b, "a", 0, 1)), "put": b.Put(t.Context(), objects.Object{Key: "b"}, strings.NewReader("")), "remove": b.Remove(t.Context(), "a")} { // stat has no body that tells a wrong key from a missing object
			if buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(buildbtw.MessageOf(err), strings.TrimSpace(want)) || strings.Contains(err.Error(), "not-the-secret") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	l, err := objects.ParseLocation(strings.Replace(s.URL("x"), "s3://files", "s3://nothing-here", 1))
	if err != nil {
		t.Fatal(err)
	}
	b, err := objects.Open(l, right)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), objects.Object{Key: "b"}, strings.NewReader("")); !strings.Contains(buildbtw.MessageOf(err), "no bucket nothing-here") {
		t.Errorf("a bucket that is not there: %v", err)
	}

	b = s.Bucket("x", right)
	s.Down()
	begun := time.Now()
	if err := second(b.Stat(t.Context(), "a")); buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(buildbtw.MessageOf(err), "does not answer") {
		t.Errorf("a storage that is away: %v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %s to notice", took)
	}
	s.Up()
	b = s.Bucket("x", right) // the other one rests
	if got, err := read(b, "a", 0, 4); err != nil || string(got) != "text" {
		t.Errorf("after the outage: %q, %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestAStorageThatStaysAwayIsNotAskedAgainAtOnce counts connections.
func TestAStorageThatStaysAwayIsNotAskedAgainAtOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer s.Close()
	b := openAt(t, s.Listener.Addr())
	first := second(b.Stat(t.Context(), "a"))
	before := asked
	again := second(b.Stat(t.Context(), "a"))
	if before == 0 || asked != before || buildbtw.KindOf(first) != buildbtw.KindUnavailable || buildbtw.KindOf(again) != buildbtw.KindUnavailable {
		t.Errorf("asked %d times, then %d times: %v, %v", before, asked, first, again)
	}
}

// TestACutAnswerIsAnError reads from a storage that hangs up in the middle of an object.
func TestACutAnswerIsAnError(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Last-Modified", "Tue, 01 Dec 2026 10:00:00 GMT")
		w.Header().Set("ETag", `"abc"`)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("half of it")) // the connection is closed at the end
	}))
	defer s.Close()
	got, err := read(openAt(t, s.Listener.Addr()), "a", 0, 100)
	if string(got) != "half of it" || !errors.Is(err, io.ErrUnexpectedEOF) || buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Errorf("%q, %v", got, err)
	}
}

func openAt(t *testing.T, address net.Addr) objects.Bucket {
	t.Helper()
	l, err := objects.ParseLocation("s3://files/x?endpoint=http://" + address.String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := objects.Open(l, right)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func BenchmarkPut(b *testing.B) {
	bucket := server(b).Bucket("bench", right)
	data := randomBytes(32 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		put(b, bucket, "a", data)
	}
}

func BenchmarkOpen(b *testing.B) {
	bucket := server(b).Bucket("bench", right)
	o := put(b, bucket, "a", randomBytes(32<<20))
	b.SetBytes(o.Size)
	for b.Loop() {
		if data, err := read(bucket, "a", 0, o.Size); err != nil || len(data) != int(o.Size) {
			b.Fatal(len(data), err)
		}
	}
}
