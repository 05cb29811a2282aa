package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/buildlog"
	"buildbtw/cmd/internal/cli"
	"buildbtw/objects"
	"buildbtw/offload"
)

// objectFlags say where files lie that are rarely read.
type objectFlags struct {
	location string
	key      string
	secret   string
	after    time.Duration
}

func (f *objectFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.location, "object-storage", "", "S3-compatible storage to which compressed logs are moved: s3://BUCKET/PREFIX?endpoint=https://HOST, with &region= and &style=path or host where they are needed")
	flags.StringVar(&f.key, "object-storage-key", "", "access key there")
	flags.StringVar(&f.secret, "object-storage-secret", "", "secret of the key; better name a file with it in BUILDBTW_OBJECT_STORAGE_SECRET_FILE")
	cli.Time(flags, &f.after, "object-storage-after", 24*time.Hour, time.Minute, cli.Long, "how long after its end a log is moved to --object-storage")
}

// validate returns the first error in the flags.
func (f *objectFlags) validate() error {
	if f.location == "" {
		if f.key != "" || f.secret != "" {
			return cli.Usage(errors.New("--object-storage-key and its secret are of a storage; name it with --object-storage"))
		}
		return nil
	}
	if _, err := objects.ParseLocation(f.location); err != nil {
		return cli.Usage(fmt.Errorf("--object-storage: %w", err))
	}
	if f.key == "" || f.secret == "" {
		return cli.Usage(errors.New("--object-storage needs --object-storage-key and its secret; name a file with that in BUILDBTW_OBJECT_STORAGE_SECRET_FILE"))
	}
	return nil
}

// open returns the bucket and its location; nil without --object-storage.
func (f *objectFlags) open() (objects.Bucket, objects.Location, error) {
	if f.location == "" {
		return nil, objects.Location{}, nil
	}
	l, err := objects.ParseLocation(f.location)
	if err != nil {
		return nil, l, err
	}
	b, err := objects.Open(l, objects.Credentials{Key: f.key, Secret: f.secret})
	return b, l, err
}

// openObjects makes what moves files to object storage and reads them there.
func (s *server) openObjects(logs *buildlog.Logs) (*offload.Mover, error) {
	bucket, location, err := s.flags.objects.open()
	if err != nil {
		return nil, err
	}
	return offload.New(offload.Config{
		Store: s.store, Logs: logs, Bucket: bucket, Location: location.String(), After: s.flags.objects.after, Log: s.log, Now: time.Now,
	}), nil
}

// objects looks whether the object storage takes, returns and removes a file.
func (d *doctor) objects(ctx context.Context) {
	bucket, location, err := d.f.objects.open()
	if err == nil && bucket == nil {
		return
	}
	what := "object storage " + location.String()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, baseTime)
		defer cancel()
		err = offload.Try(ctx, bucket)
	}
	if err != nil && strings.HasPrefix(d.f.objects.location, "s3://") {
		err = fmt.Errorf("%w. The server works without it, but what lies there cannot be read", err)
	}
	d.list.Report(what, err)
}
