package fetch

import (
	"context"
	"crypto/md5"  //nolint:gosec // the packager chose it
	"crypto/sha1" //nolint:gosec // the packager chose it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// mirror is one place from which a source can be fetched.
type mirror struct {
	srcinfo.Source
	sum   checksum
	tries []error // that did not work
}

// hopeless reports whether trying again is of no use: it cannot work, or the server has
// said twice, with a pause between, that it has no such file.
func (m *mirror) hopeless() bool {
	gone := 0
	for _, err := range m.tries {
		var known *fetchError
		switch {
		case !errors.As(err, &known) || known.kind == mayPass:
		case known.kind == isGone:
			gone++
		default:
			return true
		}
	}
	return gone > 1
}

// kind is the kind of a fetch error, which decides about another try.
type kind int

const (
	mayPass kind = iota
	isGone       // the server has no such file, or another one: final when it is so twice
	isFinal
)

// untilDone tries the mirrors one after the other, again and again, until the source is
// in dest, or no mirror is left that may still have it. The error is the package's
// fault only in the latter case.
func (o *fetching) untilDone(ctx context.Context, dest string) error {
	for _, pause := range append(slices.Clone(o.options.Pauses), -1) {
		for _, m := range o.mirrors {
			if m.hopeless() {
				continue
			}
			begin, received := time.Now(), o.proxy.received.Load()
			o.source = m.Source
			err := o.try(ctx, dest, m)
			if err == nil {
				size := o.proxy.received.Load() - received
				fmt.Fprintf(o.log, "  -> %s (%s from %s, %s)\n", o.source.Name, bytesText(size), host(o.source.URL), time.Since(begin).Round(100*time.Millisecond))
				return nil
			}
			var known *fetchError
			if !errors.As(err, &known) || ctx.Err() != nil { // this machine's
				return err
			}
			m.tries = append(m.tries, err)
		}
		last := o.lastErrors()
		switch {
		case last.kind == isFinal:
			return o.makeDo(dest, last)
		case pause < 0:
			return last
		}
		fmt.Fprintf(o.log, "  -> %s: %v; trying again in %s\n", o.source.Name, last, pause)
		runners.Pause(ctx, pause)
	}
	return nil // not reached: the last pause returns
}

// lastErrors returns the last error of each mirror as one, which may pass if that of any
// may.
func (o *fetching) lastErrors() *fetchError {
	all := &fetchError{kind: isFinal}
	var reasons []string
	for _, m := range o.mirrors {
		reason := m.tries[len(m.tries)-1].Error()
		if len(o.mirrors) > 1 {
			reason = host(m.URL) + ": " + reason
		}
		reasons = append(reasons, reason)
		if !m.hopeless() {
			all.kind = mayPass
		}
	}
	const most = 3
	if len(reasons) > most {
		reasons = append(reasons[:most], fmt.Sprintf("and %d other mirrors", len(o.mirrors)-most))
	}
	all.reason = strings.Join(reasons, "; ")
	return all
}

// checksum is the digest that the .SRCINFO says a source has. The zero value is none.
type checksum struct {
	name string
	new  func() hash.Hash
	want string
}

// checksums returns the strongest digest of each source of an architecture, for those
// kinds that the standard library has, in the order of source and source_ARCH.
func checksums(base srcinfo.Fields, arch string) []checksum {
	sources := base.Source.For(arch)
	out := make([]checksum, len(sources))
	for _, kind := range []struct {
		name string
		list []string
		new  func() hash.Hash
	}{
		{"md5", base.MD5Sums.For(arch), md5.New},
		{"sha1", base.SHA1Sums.For(arch), sha1.New},
		{"sha224", base.SHA224Sums.For(arch), sha256.New224},
		{"sha256", base.SHA256Sums.For(arch), sha256.New},
		{"sha384", base.SHA384Sums.For(arch), sha512.New384},
		{"sha512", base.SHA512Sums.For(arch), sha512.New},
	} {
		if len(kind.list) != len(sources) { // which is whose cannot be told
			continue
		}
		for i, want := range kind.list {
			if want != "SKIP" && want != "" {
				out[i] = checksum{kind.name, kind.new, strings.ToLower(want)}
			}
		}
	}
	return out
}

// check compares a file with the digest that it should have. Whether a wrong one is
// built nevertheless is makepkg's to decide: it goes by the PKGBUILD.
func (c checksum) check(file string) error {
	if c.new == nil {
		return nil
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	digest := c.new()
	if _, err := io.Copy(digest, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != c.want {
		return &fetchError{reason: fmt.Sprintf("it has the %s %s, and not that of the .SRCINFO, %s", c.name, clipped(got), clipped(c.want)), kind: isGone}
	}
	return nil
}

func clipped(digest string) string { return digest[:min(len(digest), 12)] + "…" }

// keep moves a fetched file to the directory where makepkg looks for it. A file with another digest
// is set aside for makeDo.
func (o *fetching) keep(dest string, m *mirror) error {
	from := filepath.Join(o.scratch, o.source.Name)
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() && (!o.source.VCS() || !info.IsDir()) {
		return errors.New("it is no file")
	}
	if info.Mode().IsRegular() {
		if wrong := m.sum.check(from); wrong != nil {
			return errors.Join(wrong, os.Rename(from, o.other()))
		}
	}
	return os.Rename(from, filepath.Join(dest, o.source.Name))
}

// other returns where a file with another digest than that of the .SRCINFO is.
func (o *fetching) other() string { return o.scratch + "-other" }

// makeDo uses a file with another digest when no mirror has the right one: makepkg compares
// it with the PKGBUILD and reports the difference. Without such a file it returns the error.
func (o *fetching) makeDo(dest string, last *fetchError) error {
	if _, err := os.Lstat(o.other()); err != nil {
		return last
	}
	fmt.Fprintf(o.log, "  -> %s: %v\n", o.source.Name, last)
	return os.Rename(o.other(), filepath.Join(dest, o.source.Name))
}
