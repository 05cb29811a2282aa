package transfer

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
)

// Content is what is sent, with what a client may compare it by.
type Content struct {
	Reader   io.ReadSeekCloser // closed in every case
	Size     int64
	Type     string
	ETag     string    // quoted; empty when there is none
	Modified time.Time // zero when unknown
}

// SendFile sends a file, and closes it. Fiber's own way keeps files open
// for ten seconds and so serves the old bytes after a rename, and it ignores
// If-Range, which corrupts resumed downloads.
func SendFile(c *fiber.Ctx, f *os.File, contentType string) error {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		f.Close()
		return buildbtw.NotFound("there is no such file")
	}
	return Send(c, Content{
		Reader: f, Size: st.Size(), Type: contentType,
		ETag:     fmt.Sprintf(`"%x-%x"`, st.ModTime().UnixNano(), st.Size()),
		Modified: st.ModTime(),
	})
}

// Send answers with the content, with one range of it, or with "not modified",
// as the request asks (RFC 9110, sections 13 and 14).
func Send(c *fiber.Ctx, content Content) error {
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	if content.ETag != "" {
		c.Set(fiber.HeaderETag, content.ETag)
	}
	if !content.Modified.IsZero() {
		c.Set(fiber.HeaderLastModified, content.lastModified())
	}
	if content.unchanged(c) {
		content.Reader.Close()
		return c.SendStatus(fiber.StatusNotModified)
	}
	return content.send(c)
}

func (t Content) send(c *fiber.Ctx) error {
	part, err := parseRange(t.wantedRange(c), t.Size)
	if err != nil {
		t.Reader.Close()
		c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes */%d", t.Size))
		return fiber.NewError(fiber.StatusRequestedRangeNotSatisfiable, err.Error())
	}
	if part.partial {
		c.Status(fiber.StatusPartialContent)
		c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", part.start, part.start+part.length-1, t.Size))
	}
	if _, err := t.Reader.Seek(part.start, io.SeekStart); err != nil {
		t.Reader.Close()
		return fmt.Errorf("send from byte %d: %w", part.start, err)
	}
	c.Set(fiber.HeaderContentType, t.Type)
	// fasthttp closes the stream itself. It does not stop at the length by
	// itself, and a log may have grown since its size was asked for.
	c.Context().SetBodyStream(limited{&io.LimitedReader{R: t.Reader, N: part.length}, t.Reader}, int(part.length))
	return nil
}

// limited is the part of a content that is sent.
type limited struct {
	*io.LimitedReader
	io.Closer
}

func (t Content) lastModified() string { return t.Modified.UTC().Format(http.TimeFormat) }

// unchanged reports whether the client has this very content already.
func (t Content) unchanged(c *fiber.Ctx) bool {
	if match := c.Get(fiber.HeaderIfNoneMatch); match != "" {
		return t.ETag != "" && Matches(match, t.ETag)
	}
	since, err := http.ParseTime(c.Get(fiber.HeaderIfModifiedSince))
	return err == nil && !t.Modified.IsZero() && !t.Modified.Truncate(time.Second).After(since)
}

// wantedRange gives the Range header, or nothing when it holds for another
// version of the content.
func (t Content) wantedRange(c *fiber.Ctx) string {
	condition := c.Get(fiber.HeaderIfRange)
	if condition == "" || t.ETag != "" && condition == t.ETag || !t.Modified.IsZero() && condition == t.lastModified() {
		return c.Get(fiber.HeaderRange)
	}
	return ""
}

// Matches reports whether an If-None-Match header names the tag.
func Matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}
