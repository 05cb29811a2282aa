package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"buildbtw"
)

// SigningProgress is how many of the files of a release have signatures.
type SigningProgress struct {
	Files  int `bun:"files"`
	Signed int `bun:"signed"` // by keys that are accepted

	// Databases: the files are packages, and with the last signature the databases of the
	// target need signatures, too.
	Databases bool `bun:"-"`
}

// WaitForSignatures makes a release that is being handed over wait until its files have
// signatures. The error is Conflict when it is not being handed over any more.
func (s *Store) WaitForSignatures(ctx context.Context, id int64, files []buildbtw.SigningFile) error {
	type row struct {
		Name   string `json:"name"`
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
		State  string `json:"state"` // hexadecimal: JSON in SQL has no bytes
	}
	rows := make([]row, len(files))
	for i, f := range files {
		rows[i] = row{f.Name, f.SHA256, f.Size, hex.EncodeToString(f.State)}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("let release %d wait for signatures: %w", id, err)
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "begin_signing", args{"id": id})
		if err != nil {
			return err
		}
		if n != 1 {
			return t.refuseRelease(ctx, id)
		}
		if _, err := t.exec(ctx, "forget_signing_files", args{"id": id}); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "add_signing_files", args{"id": id, "files": string(text)}); err != nil {
			return err
		}
		return t.recordRelease(ctx, buildbtw.System, id, buildbtw.ReleaseSigning)
	})
	if err != nil {
		return fmt.Errorf("let release %d wait for signatures: %w", id, err)
	}
	return nil
}

// AddSignatures stores verified signatures of a release's files. When all files have one by
// one of the keys, the release is handed over. To store one twice changes nothing, also when
// the release does not wait any more; the error is Conflict when it does not and one is new.
func (s *Store) AddSignatures(ctx context.Context, actor string, id int64, signatures []buildbtw.Signature, keys []string) error {
	type row struct {
		SHA256 string `json:"sha256"`
		Key    string `json:"key"`
		Packet string `json:"packet"` // hexadecimal
	}
	rows := make([]row, len(signatures))
	for i, g := range signatures {
		rows[i] = row{g.FileSHA256, g.Key, hex.EncodeToString(g.Packet)}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("store signatures of release %d: %w", id, err)
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		r, err := t.release(ctx, id)
		if err != nil {
			return err
		}
		added, err := t.exec(ctx, "add_signatures", args{"signatures": string(text), "by": actor, "now": t.now})
		switch {
		case err != nil:
			return err
		case r.State == buildbtw.ReleaseSigning:
		case added > 0:
			return buildbtw.Conflict("release %d is %s; it needs no signatures", id, r.State.Words())
		default:
			return nil
		}
		n, err := t.exec(ctx, "end_signing", args{"id": id, "keys": textList(keys)})
		if err != nil || n == 0 {
			return err
		}
		return t.recordOf(ctx, actor, r, "", fmt.Sprintf("Release %d to %s: all that waited for signatures is signed.", id, r.Target))
	})
	if err != nil {
		return fmt.Errorf("store signatures of release %d: %w", id, err)
	}
	return nil
}

// NoteSigning notes why a release that waits has no signatures yet.
func (s *Store) NoteSigning(ctx context.Context, id int64, message string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "note_signing", args{"id": id, "message": message})
		if err != nil || n == 0 {
			return err
		}
		r, err := t.release(ctx, id)
		if err != nil {
			return err
		}
		return t.recordOf(ctx, buildbtw.System, r, "", fmt.Sprintf("Release %d to %s: %s", id, r.Target, message))
	})
	if err != nil {
		return fmt.Errorf("note why release %d is not signed: %w", id, err)
	}
	return nil
}

// SigningFiles lists the files of a release that waits for signatures, by name.
func (q *Reader) SigningFiles(ctx context.Context, id int64) ([]buildbtw.SigningFile, error) {
	files := []buildbtw.SigningFile{}
	if err := q.list(ctx, &files, "signing_files", args{"id": id}); err != nil {
		return nil, fmt.Errorf("list the files of release %d: %w", id, err)
	}
	return files, nil
}

// SigningProgress counts the files of a release that waits, and those that have signatures
// by one of the keys.
func (q *Reader) SigningProgress(ctx context.Context, id int64, keys []string) (SigningProgress, error) {
	var p SigningProgress
	if err := q.get(ctx, &p, "signing_progress", args{"id": id, "keys": textList(keys)}); err != nil {
		return p, fmt.Errorf("count the signatures of release %d: %w", id, err)
	}
	return p, nil
}

// Signing lists the releases that wait for signatures, in the order in which they were
// confirmed. The error names those that cannot be read.
func (q *Reader) Signing(ctx context.Context) ([]ReleaseRow, error) {
	return q.releasesIn(ctx, buildbtw.ReleaseSigning, 0)
}

// Signatures returns the signatures of files by keys, by the SHA-256 of the file; of
// several the oldest.
func (q *Reader) Signatures(ctx context.Context, files, keys []string) (map[string]buildbtw.Signature, error) {
	var rows []buildbtw.Signature
	if err := q.list(ctx, &rows, "signatures_of", args{"files": textList(files), "keys": textList(keys)}); err != nil {
		return nil, fmt.Errorf("load signatures: %w", err)
	}
	by := make(map[string]buildbtw.Signature, len(rows))
	for _, g := range rows {
		if _, ok := by[g.FileSHA256]; !ok {
			by[g.FileSHA256] = g
		}
	}
	return by, nil
}
