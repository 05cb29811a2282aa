package baserepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"buildbtw/internal/atomicfile"
)

var errNotThere = errors.New("the server does not have it")

// downloaded is a temporary file; it is the receiver's to remove.
type downloaded struct {
	path string
	meta meta
}

// download fetches a file; nil when the server still has the version of have.
func (b *Base) download(ctx context.Context, have meta) (*downloaded, error) {
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	u, err := url.Parse(have.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		return b.copyLocal(ctx, u.Path, have)
	}
	request, err := conditional(ctx, have)
	if err != nil {
		return nil, err
	}
	response, err := b.options.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status == http.StatusNotModified && have.marked():
		return nil, nil
	case status == http.StatusNotFound || status == http.StatusGone:
		return nil, errNotThere
	case status != http.StatusOK:
		return nil, fmt.Errorf("the server answered %d %s", status, http.StatusText(status))
	case response.ContentLength > b.options.MaxSize:
		return nil, b.errTooLarge()
	}
	next := meta{URL: have.URL, ETag: response.Header.Get("ETag"), Modified: response.Header.Get("Last-Modified")}
	return b.spool(response.Body, next)
}

func conditional(ctx context.Context, have meta) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, have.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	// The files are compressed; without this Go would ask for gzip and unpack it.
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "buildbtw")
	if have.ETag != "" {
		request.Header.Set("If-None-Match", have.ETag)
	}
	if have.Modified != "" {
		request.Header.Set("If-Modified-Since", have.Modified)
	}
	return request, nil
}

// copyLocal reads a repository on this machine. Only regular files are opened,
// because a pipe would never end.
func (b *Base) copyLocal(ctx context.Context, path string, have meta) (*downloaded, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotThere
	}
	if err != nil {
		return nil, err
	}
	next := meta{URL: have.URL, ETag: strconv.FormatInt(info.Size(), 10), Modified: info.ModTime().UTC().Format(time.RFC3339Nano)}
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a plain file")
	case next == have:
		return nil, nil
	case info.Size() > b.options.MaxSize:
		return nil, b.errTooLarge()
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return b.spool(untilDone{ctx, f}, next)
}

// untilDone is a reader that stops when the context does.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

func (b *Base) spool(body io.Reader, m meta) (*downloaded, error) {
	path, err := atomicfile.Temp(b.dir, 0o600, func(w io.Writer) error {
		n, err := io.Copy(w, io.LimitReader(body, b.options.MaxSize+1))
		if err == nil && n > b.options.MaxSize {
			err = b.errTooLarge()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &downloaded{path: path, meta: m}, nil
}

func (b *Base) errTooLarge() error {
	return fmt.Errorf("it has more than %d bytes", b.options.MaxSize)
}

// words returns an error's message without addresses, which may contain a
// password, and without paths of this machine.
func words(err error) string {
	var web *url.Error
	var path *fs.PathError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the server took too long"
	case errors.Is(err, context.Canceled):
		return "it was interrupted"
	case errors.As(err, &web):
		return "the server cannot be reached: " + web.Err.Error()
	case errors.As(err, &path):
		return path.Err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the server broke off"
	}
	return err.Error()
}
