// Package objects stores files in a bucket of S3-compatible object storage.
package objects

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/netip"
	"net/url"
	"strings"

	"buildbtw"
)

// Object is a file in a bucket.
type Object struct {
	Key    string // below the prefix of the location
	Size   int64  // bytes
	SHA256 string // in hexadecimal; empty in lists, and for objects that Put did not write
}

// Bucket is a place for objects. Its methods may be called from several goroutines at once. When
// the storage does not answer, or refuses the credentials, their errors are
// buildbtw.KindUnavailable; an object that is not there is ErrNotThere.
type Bucket interface {
	// Put stores an object of the size and digest that o has, in place of one of the same
	// key. The storage compares the digest with what arrived.
	Put(ctx context.Context, o Object, body io.Reader) error

	// Open returns size bytes of an object from offset on. Reading fails, with
	// io.ErrUnexpectedEOF, when fewer arrive.
	Open(ctx context.Context, key string, offset, size int64) (io.ReadCloser, error)

	// Stat returns what the storage says of an object.
	Stat(ctx context.Context, key string) (Object, error)

	// Remove deletes an object. One that is not there is no error.
	Remove(ctx context.Context, key string) error

	// List returns the objects whose keys begin with a prefix, in the order of their keys.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
}

// ErrNotThere is the error of an object that is not in the bucket.
var ErrNotThere = errors.New("it is not in the object storage")

// Location says where a bucket is.
type Location struct {
	Bucket   string
	Prefix   string // of all keys; empty, or with a slash at its end
	Endpoint string // host, with a port if that is not the usual one
	Secure   bool   // by https
	Region   string
	Style    string // how the bucket is named in addresses: "path", "host", or empty for what fits the endpoint
}

// defaultRegion is what most servers other than Amazon's take for their only region.
const defaultRegion = "us-east-1"

// ParseLocation reads s3://BUCKET/PREFIX?endpoint=URL&region=REGION&style=path. Without an endpoint
// it is Amazon's. The error is Invalid; it never has what may be a secret.
func ParseLocation(text string) (l Location, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Fragment != "" {
		return l, buildbtw.Invalid("write s3://BUCKET/PREFIX?endpoint=https://HOST")
	}
	if u.User != nil {
		return l, buildbtw.Invalid("an address must not have credentials, which others could read; give them as BUILDBTW_OBJECT_STORAGE_KEY and BUILDBTW_OBJECT_STORAGE_SECRET_FILE")
	}
	l = Location{Bucket: u.Host, Region: defaultRegion, Endpoint: "s3.amazonaws.com", Secure: true}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		l.Prefix = prefix + "/"
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return l, buildbtw.Invalid("the part after ? cannot be read; write endpoint=https://HOST&region=REGION")
	}
	for name, values := range options {
		value := values[len(values)-1]
		switch name {
		case "endpoint":
			if l.Endpoint, l.Secure, err = parseEndpoint(value); err != nil {
				return l, err
			}
		case "region":
			l.Region = value
		case "style":
			if value != "path" && value != "host" {
				return l, buildbtw.Invalid("style=%.20q is neither path nor host", value)
			}
			l.Style = value
		default:
			return l, buildbtw.Invalid("%.20q is no option of object storage; there are endpoint, region and style", name)
		}
	}
	return l, nil
}

// parseEndpoint reads the URL of a storage. Without TLS whoever is on the way can change what is
// stored, so it is for addresses of networks of one's own only.
func parseEndpoint(text string) (host string, secure bool, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", false, buildbtw.Invalid("the endpoint cannot be read; write endpoint=https://HOST, with a port if it is not the usual one")
	}
	if u.Scheme == "http" && u.Hostname() != "localhost" {
		address, err := netip.ParseAddr(u.Hostname())
		if err != nil || !address.IsLoopback() && !address.IsPrivate() {
			return "", false, buildbtw.Invalid("an endpoint is reached by https, or anybody on the way could change what is stored; http is for loopback and private addresses only")
		}
	}
	return u.Host, u.Scheme == "https", nil
}

// String returns the location as people read it.
func (l Location) String() string {
	return "s3://" + l.Bucket + "/" + l.Prefix + " at " + l.Endpoint
}
