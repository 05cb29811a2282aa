package transfer

import (
	"bytes"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Bounds of what stands before a body. fasthttp bounds request line and headers
// together by the size of its buffer.
const (
	maxTarget  = 8 << 10 // bytes of the address
	maxHeaders = 100
)

// CheckHead returns an error of Fiber for a request whose beginning RFC 9112 does
// not allow: two programs could read it in two ways, so that what one takes for
// a body is the next request to the other (request smuggling). fasthttp accepts
// most of it. It must be answered, and the connection be closed.
func CheckHead(h *fasthttp.RequestHeader) error {
	if err := checkRequestLine(h); err != nil {
		return err
	}
	var lengths, codings, hosts []string
	headers := 0
	rest := h.RawHeaders()
	for len(rest) > 0 {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return bad("the headers do not end")
		}
		line, ok := bytes.CutSuffix(rest[:end], []byte("\r"))
		rest = rest[end+1:]
		switch {
		case !ok:
			return bad("a header ends with a line feed alone")
		case len(line) == 0:
			continue // the end
		case line[0] == ' ' || line[0] == '\t':
			return bad("a header is continued on a further line")
		}
		name, value, err := splitHeader(line)
		if err != nil {
			return err
		}
		if headers++; headers > maxHeaders {
			return fiber.NewError(fiber.StatusRequestHeaderFieldsTooLarge, "the request has too many headers")
		}
		switch {
		case strings.EqualFold(name, fiber.HeaderContentLength):
			lengths = append(lengths, value)
		case strings.EqualFold(name, fiber.HeaderTransferEncoding):
			codings = append(codings, value)
		case strings.EqualFold(name, fiber.HeaderHost):
			hosts = append(hosts, value)
		}
	}
	if err := checkLength(h, lengths, codings); err != nil {
		return err
	}
	return checkHost(h, hosts)
}

func bad(why string) error { return fiber.NewError(fiber.StatusBadRequest, why) }

// checkRequestLine checks method, address, and version.
func checkRequestLine(h *fasthttp.RequestHeader) error {
	target := h.RequestURI()
	lower := bytes.ToLower(target[:min(len(target), len("https://"))])
	switch {
	case !isToken(string(h.Method())):
		return bad("the method is not made of letters")
	case len(target) > maxTarget:
		return fiber.NewError(fiber.StatusRequestURITooLong, "the address is too long")
	case bytes.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return bad("the address has a space or a control character")
	case !h.IsHTTP11() && string(h.Protocol()) != "HTTP/1.0":
		return bad("the protocol is neither HTTP/1.1 nor HTTP/1.0")
	case bytes.HasPrefix(target, []byte("/")), bytes.HasPrefix(lower, []byte("http://")), bytes.HasPrefix(lower, []byte("https://")),
		string(target) == "*" && string(h.Method()) == http.MethodOptions:
		return nil
	}
	return bad("the address does not begin with a slash")
}

// splitHeader returns name and value of a header line.
func splitHeader(line []byte) (name, value string, err error) {
	before, after, ok := bytes.Cut(line, []byte(":"))
	name = string(before)
	switch {
	case !ok || !isToken(name):
		return "", "", bad("the name of a header is not made of letters up to a colon")
	case bytes.ContainsFunc(after, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "", "", bad("a header has a control character")
	}
	return name, strings.Trim(string(after), " \t"), nil
}

// isToken reports whether text is a token of RFC 9110, section 5.6.2.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// checkLength checks that there is one way to tell how long the body is (RFC
// 9112, section 6).
func checkLength(h *fasthttp.RequestHeader, lengths, codings []string) error {
	switch {
	case len(lengths) > 1:
		return bad("there is more than one Content-Length")
	case len(codings) > 1:
		return bad("there is more than one Transfer-Encoding")
	case len(lengths) == 1 && len(codings) == 1:
		return bad("there are both Content-Length and Transfer-Encoding")
	case len(lengths) == 1:
		const digits = 18 // more than any body has bytes, and no overflow
		if n := lengths[0]; n == "" || len(n) > digits || strings.Trim(n, "0123456789") != "" {
			return bad("the Content-Length is no number")
		}
	case len(codings) == 1 && !h.IsHTTP11():
		return bad("HTTP/1.0 knows no Transfer-Encoding")
	case len(codings) == 1 && !strings.EqualFold(codings[0], "chunked"):
		return bad("the Transfer-Encoding is not chunked")
	}
	return nil
}

// checkHost checks that there is one host, or none in HTTP/1.0, and that it could
// be one (RFC 9112, section 3.2).
func checkHost(h *fasthttp.RequestHeader, hosts []string) error {
	switch {
	case len(hosts) > 1:
		return bad("there is more than one Host")
	case len(hosts) == 0 && h.IsHTTP11():
		return bad("there is no Host")
	case len(hosts) == 0:
		return nil
	}
	host := hosts[0]
	if strings.ContainsFunc(host, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("-._~%:[]", r) }) {
		return bad("the Host has a character that no host has")
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, port, closed := strings.Cut(inner, "]")
		if _, err := netip.ParseAddr(strings.Replace(inner, "%25", "%", 1)); err != nil || !closed || port != "" && !strings.HasPrefix(port, ":") {
			return bad("the Host is no address of IPv6")
		}
	}
	return nil
}
