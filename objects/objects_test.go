package objects_test

import (
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/objects"
)

func TestLocationsAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]objects.Location{
		"s3://files": {Bucket: "files", Endpoint: "s3.amazonaws.com", Secure: true, Region: "us-east-1"},
		"s3://files/a/b/?endpoint=https://s3.example.org:9000&region=eu-1&style=path": {
			Bucket: "files", Prefix: "a/b/", Endpoint: "s3.example.org:9000", Secure: true, Region: "eu-1", Style: "path",
		},
		"s3://files/x?endpoint=http://127.0.0.1:7070": {Bucket: "files", Prefix: "x/", Endpoint: "127.0.0.1:7070", Region: "us-east-1"},
		"s3://files/x?endpoint=http://10.0.0.7":       {Bucket: "files", Prefix: "x/", Endpoint: "10.0.0.7", Region: "us-east-1"},
	} {
		if got, err := objects.ParseLocation(text); err != nil || got != want {
			t.Errorf("%s is %+v (%v), want %+v", text, got, err, want)
		}
	}
}

func TestWrongLocationsAreRefusedWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "files", "https://files/x", "s3:///x", "s3://key:hunter2@files/x", "s3://files?endpoint=ftp://host", "s3://files?endpoint=https://key:hunter2@host",
		"s3://files?endpoint=http://s3.example.org", "s3://files?endpoint=http://8.8.8.8", "s3://files?style=odd", "s3://files?secret=hunter2", "s3://files?endpoint=https://host/path", "s3://files/%zz",
	} {
		_, err := objects.ParseLocation(text)
		if err == nil || buildbtw.KindOf(err) != buildbtw.KindInvalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
