package pacmanrepo

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"buildbtw/internal/guard"
)

// block is a run of neighbouring entries, packed. A database file is the zstd
// frames of its blocks one after the other, which is one stream to every reader
// (RFC 8878, section 3), so a write packs only the blocks that changed: with
// 3,000 packages a fiftieth of the work.
type block struct {
	entries []*entry
	packed  [2][]byte // mainDB and filesDB
}

const (
	meanBlock = 64  // entries
	maxBlock  = 512 // entries
)

// cut divides sorted entries at names with certain checksums (content-defined
// chunking), so that adding or removing a package leaves other blocks as they
// were.
func cut(sorted []*entry) []*block {
	var blocks []*block
	start := 0
	for i, e := range sorted {
		last := i+1 == len(sorted)
		if last || i+1-start == maxBlock || crc32.ChecksumIEEE([]byte(e.name))%meanBlock == 0 {
			blocks = append(blocks, &block{entries: sorted[start : i+1]})
			start = i + 1
		}
	}
	return blocks
}

// packer makes zstd frames. Its encoder is kept: it has a few megabytes of
// tables, and most blocks are small.
type packer struct {
	*zstd.Encoder
	end []byte // the two empty blocks that end a tar archive
}

func newPacker() (packer, error) {
	// The database is written at every publication and read a few times: speed
	// before size.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	if err != nil {
		return packer{}, err
	}
	var end bytes.Buffer
	if err := tar.NewWriter(&end).Close(); err != nil {
		return packer{}, err
	}
	return packer{z, z.EncodeAll(end.Bytes(), nil)}, nil
}

// pack fills d.blocks, reusing those of the database before whose entries are the
// same.
func (d *database) pack(ctx context.Context, p packer, before []*block) error {
	known := make(map[*entry]*block, len(before))
	for _, b := range before {
		known[b.entries[0]] = b
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	d.order = d.sorted()
	d.blocks = cut(d.order)
	for i, b := range d.blocks {
		if old := known[b.entries[0]]; old != nil && slices.Equal(old.entries, b.entries) {
			d.blocks[i] = old
			continue
		}
		g.Go(func() error { return guard.Run(func() error { return b.pack(ctx, p) }) })
	}
	return g.Wait()
}

func (b *block) pack(ctx context.Context, p packer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for which := range b.packed {
		var text bytes.Buffer
		t := tar.NewWriter(&text)
		for _, e := range b.entries {
			err := t.WriteHeader(&tar.Header{Name: e.dir() + "/", Typeflag: tar.TypeDir, Mode: 0o755})
			if err == nil {
				err = writeMember(t, e.dir()+"/desc", e.desc)
			}
			if err == nil && which == filesDB {
				err = writeMember(t, e.dir()+"/files", e.files)
			}
			if err != nil {
				return fmt.Errorf("entry %s: %w", e.dir(), err)
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
		b.packed[which] = p.EncodeAll(text.Bytes(), nil)
	}
	return nil
}

// archive returns a function that writes one of the two databases.
func (d *database) archive(p packer, which int) func(io.Writer) error {
	return func(w io.Writer) error {
		for _, b := range d.blocks {
			if _, err := w.Write(b.packed[which]); err != nil {
				return err
			}
		}
		_, err := w.Write(p.end)
		return err
	}
}

func writeMember(t *tar.Writer, name string, text []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := t.Write(text)
	return err
}
