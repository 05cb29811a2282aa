package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"buildbtw/cmd/internal/cli"
)

// tlsFiles are a certificate with its chain, and its key. They are read again when
// one of them has changed, so that whoever renews the certificate need not restart
// the server.
type tlsFiles struct {
	cert, key string
	log       logger
	now       func() time.Time

	mu     sync.Mutex
	loaded *tls.Certificate
	seen   [2]time.Time // when the files were changed last, as of the last look
	looked time.Time
}

// lookTLS is how often the files are looked at, at most.
const lookTLS = 5 * time.Second

// tlsConfig returns how to speak TLS with the files of --tls-cert and --tls-key;
// nil when there are none.
func tlsConfig(cert, key string, log logger) (*tls.Config, error) {
	switch {
	case cert == "" && key == "":
		return nil, nil
	case cert == "" || key == "":
		return nil, cli.Usage(errors.New("--tls-cert and --tls-key belong together; name both"))
	}
	files := &tlsFiles{cert: cert, key: key, log: log, now: time.Now}
	seen, err := files.changed()
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", cert, key, err)
	}
	files.loaded, files.seen, files.looked = &pair, seen, files.now()
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return files.current(), nil
		},
	}, nil
}

// current returns the certificate of the files as they are now or, while they do
// not make a pair, the last one that did.
func (f *tlsFiles) current() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.looked) < lookTLS {
		return f.loaded
	}
	f.looked = now
	seen, err := f.changed()
	if err == nil && seen == f.seen {
		return f.loaded
	}
	again := seen == f.seen // what was wrong with them was logged already
	f.seen = seen
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(f.cert, f.key)
	}
	switch {
	case err == nil:
		f.loaded = &pair
		f.log.Info("the TLS certificate was read again", "file", f.cert, "until", pair.Leaf.NotAfter)
	case !again:
		f.log.Error("the new TLS certificate cannot be used; the old one stays", "file", f.cert, "key", f.key, "error", err)
	}
	return f.loaded
}

// changed returns when the two files were changed last; the zero time for one that
// is not there.
func (f *tlsFiles) changed() (at [2]time.Time, err error) {
	for i, name := range []string{f.cert, f.key} {
		info, failed := os.Stat(name)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		at[i] = info.ModTime()
	}
	return at, err
}
