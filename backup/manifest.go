package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"buildbtw"
)

// manifestName is the file of a backup that lists its files. It has a JSON object per line:
// a header, the entries, directories before what is in them, and an end with the digest of
// all lines before.
const manifestName = "MANIFEST"

// format is the version of the manifest's format.
const format = 1

type header struct {
	Format  int       `json:"buildbtw_backup"`
	Made    time.Time `json:"made"`   // when the database was copied
	Schema  int       `json:"schema"` // of the database
	Version string    `json:"version,omitempty"`
	DataDir string    `json:"data_dir"`

	Elsewhere int `json:"in_object_storage,omitempty"` // files that the database names and the backup does not have
}

// entry is a file, a directory or a symbolic link.
type entry struct {
	Path   string      `json:"path"` // with slashes, below the data directory
	Dir    bool        `json:"dir,omitempty"`
	Link   string      `json:"link,omitempty"` // where a symbolic link leads; it is in the manifest alone
	Mode   fs.FileMode `json:"mode"`           // in the data directory; in the backup files are 0600
	Size   int64       `json:"size,omitempty"`
	SHA256 string      `json:"sha256,omitempty"`
	SameAs string      `json:"same_as,omitempty"` // path of an earlier entry of which this is another name

	// Of the file in the data directory, in nanoseconds: one with the same was not changed.
	Modified int64  `json:"modified,omitempty"`
	Changed  int64  `json:"changed,omitempty"`
	Inode    uint64 `json:"inode,omitempty"`
}

// end is the last line.
type end struct {
	Entries int    `json:"entries"`
	SHA256  string `json:"sha256_of_lines"`
}

type manifestWriter struct {
	file    *os.File
	buffer  *bufio.Writer
	sum     hash.Hash
	entries int
}

func createManifest(dir string, h header) (*manifestWriter, error) {
	f, err := os.OpenFile(filepath.Join(dir, manifestName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	m := &manifestWriter{file: f, buffer: bufio.NewWriter(f), sum: sha256.New()}
	if err := m.line(h); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

func (m *manifestWriter) line(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	m.sum.Write(text)
	_, err = m.buffer.Write(text)
	return err
}

func (m *manifestWriter) add(e entry) error {
	m.entries++
	return m.line(e)
}

// finish ends the manifest, which is without its last line when it is not whole.
func (m *manifestWriter) finish(whole bool) error {
	var err error
	if whole {
		err = m.line(end{m.entries, hex.EncodeToString(m.sum.Sum(nil))})
	}
	return errors.Join(err, m.buffer.Flush(), m.file.Close())
}

type manifest struct {
	header
	entries []entry
}

func (m *manifest) byPath() map[string]entry {
	by := make(map[string]entry, len(m.entries))
	for _, e := range m.entries {
		by[e.Path] = e
	}
	return by
}

// files returns how many files there are.
func (m *manifest) files() int {
	n := 0
	for _, e := range m.entries {
		if !e.Dir && e.Link == "" {
			n++
		}
	}
	return n
}

// readManifest reads the manifest of a backup. The error is NotFound when it has none, and
// Invalid when it is not whole, or names places outside of the backup.
func readManifest(dir string) (*manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, buildbtw.NotFound("%s is no backup: it has no file %s", dir, manifestName)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest of a backup: %w", err)
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, buildbtw.Invalid("the manifest of the backup %s is damaged (%w); use another backup", dir, err)
	}
	return m, nil
}

func parseManifest(text []byte) (*manifest, error) {
	body, isWhole := bytes.CutSuffix(text, []byte("\n"))
	last := bytes.LastIndexByte(body, '\n') + 1
	var e end
	if err := json.Unmarshal(body[last:], &e); err != nil || !isWhole || e.SHA256 == "" {
		return nil, errors.New("its end is missing")
	}
	sum := sha256.Sum256(body[:last])
	if hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, errors.New("its digest is another")
	}
	m := &manifest{}
	lines := bytes.Split(bytes.TrimSuffix(body[:last], []byte("\n")), []byte("\n"))
	if err := json.Unmarshal(lines[0], &m.header); err != nil {
		return nil, err
	}
	if m.Format != format {
		return nil, fmt.Errorf("its format is %d, this program knows %d", m.Format, format)
	}
	known := map[string]bool{}
	for _, line := range lines[1:] {
		var one entry
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, err
		}
		switch {
		case !filepath.IsLocal(one.Path) || one.Path == manifestName || known[one.Path]:
			return nil, fmt.Errorf("%.80q is no place in a backup", one.Path)
		case one.Link != "" && !localLink(one.Path, one.Link), one.SameAs != "" && !known[one.SameAs]:
			return nil, fmt.Errorf("%.80q leads to no place in it", one.Path)
		}
		known[one.Path] = true
		m.entries = append(m.entries, one)
	}
	if len(m.entries) != e.Entries {
		return nil, errors.New("entries are missing")
	}
	return m, nil
}
