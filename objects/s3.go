package objects

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"buildbtw"
)

// Credentials are those of a storage.
type Credentials struct{ Key, Secret string }

// Bounds of what is asked of a storage.
const (
	dialTime    = 5 * time.Second
	answerTime  = 15 * time.Second // from the request to the beginning of the answer
	requestTime = time.Minute      // of a request as a whole, and
	slowest     = 1 << 20          // bytes a second for what it carries
	retries     = 2                // tries of a request; who asked tries again later
	maxRequests = 32               // at a time; the next waits
	listBytes   = 1 << 30          // more than a list of all that a server stores has
)

// restTime is how long after a storage did not answer nothing is asked of it: a reader then has its
// answer at once.
const restTime = 5 * time.Second

// digestMetadata is the metadata of an object with its SHA-256.
const digestMetadata = "Sha256"

// s3 is a bucket of a storage that speaks the protocol of Amazon's S3.
type s3 struct {
	location Location
	client   *minio.Core
	slots    chan struct{} // holds a token for each request

	mu     sync.Mutex
	failed time.Time // when the storage last did not answer
	err    error     // what it was then
}

// Open returns a bucket. Nothing is asked of the storage yet.
func Open(l Location, c Credentials) (Bucket, error) {
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}).DialContext, TLSHandshakeTimeout: dialTime,
		ResponseHeaderTimeout: answerTime, MaxIdleConnsPerHost: maxRequests, IdleConnTimeout: time.Minute,
		DisableCompression: true, // what is stored is compressed
	}
	o := &minio.Options{
		Creds: credentials.NewStaticV4(c.Key, c.Secret, ""), Secure: l.Secure, Transport: transport, Region: cmp.Or(l.Region, defaultRegion), MaxRetries: retries,
	}
	switch l.Style {
	case "path":
		o.BucketLookup = minio.BucketLookupPath
	case "host":
		o.BucketLookup = minio.BucketLookupDNS
	}
	client, err := minio.NewCore(l.Endpoint, o)
	if err != nil {
		return nil, fmt.Errorf("open the object storage %s: %w", l, err)
	}
	return &s3{location: l, client: client, slots: make(chan struct{}, maxRequests)}, nil
}

// begin waits until a request may be made, and bounds it: size is how many bytes it carries. end
// is called after it.
func (s *s3) begin(ctx context.Context, size int64) (within context.Context, end func(), err error) {
	s.mu.Lock()
	rests := s.err
	if time.Since(s.failed) >= restTime {
		rests = nil
	}
	s.mu.Unlock()
	if rests != nil {
		return nil, nil, rests
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	within, cancel := context.WithTimeout(ctx, requestTime+time.Duration(size/slowest)*time.Second)
	return within, sync.OnceFunc(func() {
		cancel()
		<-s.slots
	}), nil
}

// explain gives an error of the storage the words for people. asker is the context of who asked:
// when that has ended, the storage is not to blame.
func (s *s3) explain(asker context.Context, err error) error {
	if err == nil || asker.Err() != nil {
		return err
	}
	answer := minio.ToErrorResponse(err)
	var words string
	switch {
	case answer.Code == "NoSuchKey", answer.Code == "NotFound":
		return fmt.Errorf("%w (%s)", ErrNotThere, answer.Code)
	case answer.Code == "NoSuchBucket":
		words = "the object storage has no bucket " + s.location.Bucket + "; make it there, or name another one with --object-storage"
	case answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError && answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusRequestTimeout:
		words = fmt.Sprintf("the object storage refuses the credentials of this server, or what they ask for (%.40q); look at BUILDBTW_OBJECT_STORAGE_KEY and its secret, at the region, and at what they may do in bucket %s", answer.Code, s.location.Bucket)
	default:
		words = "the object storage at " + s.location.Endpoint + " does not answer; what lies there can be read when it does"
	}
	err = &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: words, Err: err}
	if !errors.Is(err, io.ErrUnexpectedEOF) && (answer.StatusCode < http.StatusBadRequest || answer.StatusCode >= http.StatusInternalServerError) {
		s.mu.Lock()
		s.failed, s.err = time.Now(), err
		s.mu.Unlock()
	}
	return err
}

// Put implements Bucket. One request carries the whole object, of at most 5 GiB.
func (s *s3) Put(ctx context.Context, o Object, body io.Reader) error {
	within, end, err := s.begin(ctx, o.Size)
	if err != nil {
		return err
	}
	defer end()
	_, err = s.client.PutObject(within, s.location.Bucket, s.location.Prefix+o.Key, body, o.Size, "", o.SHA256, minio.PutObjectOptions{
		UserMetadata: map[string]string{digestMetadata: o.SHA256}, ContentType: "application/octet-stream",
		DisableContentSha256: true, // of each piece: the digest of the whole is signed instead, which the storage compares
	})
	if err != nil {
		return fmt.Errorf("put %s: %w", o.Key, s.explain(ctx, err))
	}
	return nil
}

// Open implements Bucket.
func (s *s3) Open(ctx context.Context, key string, offset, size int64) (io.ReadCloser, error) {
	if size <= 0 {
		return http.NoBody, nil
	}
	within, end, err := s.begin(ctx, size)
	if err != nil {
		return nil, err
	}
	var o minio.GetObjectOptions
	if err := o.SetRange(offset, offset+size-1); err != nil {
		end()
		return nil, fmt.Errorf("get %s from %d: %w", key, offset, err)
	}
	body, _, _, err := s.client.GetObject(within, s.location.Bucket, s.location.Prefix+key, o)
	if err != nil {
		end()
		return nil, fmt.Errorf("get %s from %d: %w", key, offset, s.explain(ctx, err))
	}
	return &part{of: s, asker: ctx, body: body, left: size, end: end}, nil
}

// part is an answer that is being read. It has exactly as many bytes as were asked for.
type part struct {
	of    *s3
	asker context.Context //nolint:containedctx // it lives as long as one request
	body  io.ReadCloser
	left  int64
	end   func()
}

func (p *part) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.body.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	switch {
	case p.left == 0:
		err = nil
	case errors.Is(err, io.EOF):
		err = p.of.explain(p.asker, io.ErrUnexpectedEOF)
	case err != nil:
		err = p.of.explain(p.asker, err)
	}
	return n, err
}

func (p *part) Close() error {
	defer p.end()
	return p.body.Close()
}

// Stat implements Bucket.
func (s *s3) Stat(ctx context.Context, key string) (Object, error) {
	within, end, err := s.begin(ctx, 0)
	if err != nil {
		return Object{}, err
	}
	defer end()
	info, err := s.client.StatObject(within, s.location.Bucket, s.location.Prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return Object{}, fmt.Errorf("look for %s: %w", key, s.explain(ctx, err))
	}
	return Object{Key: key, Size: info.Size, SHA256: info.UserMetadata[digestMetadata]}, nil
}

// Remove implements Bucket.
func (s *s3) Remove(ctx context.Context, key string) error {
	within, end, err := s.begin(ctx, 0)
	if err != nil {
		return err
	}
	defer end()
	err = s.explain(ctx, s.client.RemoveObject(within, s.location.Bucket, s.location.Prefix+key, minio.RemoveObjectOptions{}))
	if err != nil && !errors.Is(err, ErrNotThere) {
		return fmt.Errorf("remove %s: %w", key, err)
	}
	return nil
}

// List implements Bucket.
func (s *s3) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		within, end, err := s.begin(ctx, listBytes)
		if err != nil {
			yield(Object{}, err)
			return
		}
		defer end()
		for o := range s.client.ListObjectsIter(within, s.location.Bucket, minio.ListObjectsOptions{Prefix: s.location.Prefix + prefix, Recursive: true}) {
			if o.Err != nil {
				yield(Object{}, fmt.Errorf("list %s: %w", prefix, s.explain(ctx, o.Err)))
				return
			}
			if !yield(Object{Key: strings.TrimPrefix(o.Key, s.location.Prefix), Size: o.Size}, nil) {
				return
			}
		}
		if within.Err() != nil { // the list may end early then
			yield(Object{}, fmt.Errorf("list %s: %w", prefix, s.explain(ctx, within.Err())))
		}
	}
}
