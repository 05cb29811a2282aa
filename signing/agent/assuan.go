package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/signing"
)

// Bounds of what is read from gpg-agent: libassuan's own of a line, and that of a
// signature of RSA with 16,384 bits.
const (
	maxLine = 1002
	maxData = 16 << 10
)

// connection is one with gpg-agent, by the Assuan protocol (libassuan's manual, "Client
// requests", "Server responses").
type connection struct {
	conn net.Conn
	in   *bufio.Reader
	stop func() bool
}

// dial connects to the socket of gpg-agent. When ctx ends, so does the connection.
func dial(ctx context.Context, socket string) (*connection, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, buildbtw.Unavailable("gpg-agent does not answer at %s: %v", socket, err)
	}
	c := &connection{conn: conn, in: bufio.NewReaderSize(conn, maxLine+1)}
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if _, err := c.response(); err != nil { // its greeting
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *connection) close() {
	c.stop()
	_ = c.conn.Close() // nothing waits to be written
}

// command sends a line and returns the data of the response.
func (c *connection) command(line string) ([]byte, error) {
	if len(line) >= maxLine || strings.ContainsAny(line, "\r\n") {
		return nil, fmt.Errorf("gpg-agent: %.20q… is no line of its protocol", line)
	}
	if _, err := c.conn.Write([]byte(line + "\n")); err != nil {
		return nil, fmt.Errorf("gpg-agent: %w", err)
	}
	data, err := c.response()
	if err != nil {
		word, _, _ := strings.Cut(line, " ")
		return nil, fmt.Errorf("gpg-agent: %s: %w", word, err)
	}
	return data, nil
}

// response reads lines up to OK or ERR.
func (c *connection) response() ([]byte, error) {
	var data []byte
	for {
		line, err := c.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, errors.New("a line of the response is too long")
		}
		if err != nil {
			return nil, err
		}
		word, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		switch string(word) {
		case "OK":
			return data, nil
		case "ERR":
			return nil, agentError(string(rest))
		case "D":
			if data = append(data, unescape(rest)...); len(data) > maxData {
				return nil, errors.New("the response is too long")
			}
		case "INQUIRE": // that a window for the passphrase was opened, or what this program does not know
			if _, err := c.conn.Write([]byte("END\n")); err != nil {
				return nil, err
			}
		case "S", "#": // progress, comments
		default:
			return nil, fmt.Errorf("%.40q is no line of a response", line)
		}
	}
}

// agentError makes an error of "NUMBER TEXT". The lower 16 bits are the code of
// libgpg-error, which has the codes that a person can do something about.
func agentError(rest string) error {
	number, text, _ := strings.Cut(rest, " ")
	code, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return fmt.Errorf("%.200q", rest)
	}
	switch code & 0xffff {
	case 99, 198: // GPG_ERR_CANCELED, GPG_ERR_FULLY_CANCELED
		return buildbtw.Conflict("the passphrase was not entered")
	case 11, 87: // GPG_ERR_BAD_PASSPHRASE, GPG_ERR_BAD_PIN
		return buildbtw.Conflict("the passphrase or PIN is wrong")
	case 17: // GPG_ERR_NO_SECKEY
		return buildbtw.NotFound("it has no secret key for the signature")
	case 85, 86: // GPG_ERR_NO_PIN_ENTRY, GPG_ERR_PIN_ENTRY
		return buildbtw.Unavailable("it could not ask for the passphrase (%s); is pinentry installed, and GPG_TTY set?", text)
	case 112: // GPG_ERR_CARD_NOT_PRESENT
		return buildbtw.Unavailable("the card with the key is not inserted")
	}
	return fmt.Errorf("%.200s", text)
}

// unescape replaces %XX in data lines: line ends and the percent sign itself.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			if c, err := hex.DecodeString(string(b[i+1 : i+3])); err == nil {
				out = append(out, c[0])
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// signatureValues reads the values of a signature from the canonical S-expression that
// PKSIGN returns: (sig-val (rsa (s VALUE))) or (sig-val (eddsa (r VALUE) (s VALUE))).
func signatureValues(text []byte, algorithm signing.Algorithm) ([][]byte, error) {
	tokens, err := sexpTokens(text)
	if err != nil {
		return nil, fmt.Errorf("gpg-agent: its signature: %w", err)
	}
	values := map[string][]byte{}
	for i := 0; i+3 < len(tokens); i++ {
		if isParen(tokens[i], "(") && isParen(tokens[i+3], ")") && !tokens[i+1].paren && !tokens[i+2].paren {
			values[string(tokens[i+1].text)] = tokens[i+2].text
		}
	}
	isOf := func(name string) bool {
		return slices.ContainsFunc(tokens, func(t sexpToken) bool { return !t.paren && string(t.text) == name })
	}
	switch {
	case algorithm == signing.RSA && isOf("rsa") && values["s"] != nil:
		return [][]byte{values["s"]}, nil
	case algorithm == signing.EdDSA && isOf("eddsa") && len(values["r"]) == 32 && len(values["s"]) == 32:
		return [][]byte{values["r"], values["s"]}, nil
	}
	return nil, errors.New("gpg-agent: its signature is of another kind than its key")
}

// sexpToken is a parenthesis or a string.
type sexpToken struct {
	text  []byte
	paren bool
}

func isParen(t sexpToken, p string) bool { return t.paren && string(t.text) == p }

// sexpTokens splits a canonical S-expression (RFC 9804, section 6.1).
func sexpTokens(text []byte) ([]sexpToken, error) {
	var tokens []sexpToken
	for len(text) > 0 {
		if text[0] == '(' || text[0] == ')' {
			tokens, text = append(tokens, sexpToken{text[:1], true}), text[1:]
			continue
		}
		length, rest, found := bytes.Cut(text, []byte(":"))
		n, err := strconv.ParseUint(string(length), 10, 16)
		if !found || err != nil || int(n) > len(rest) {
			return nil, errors.New("it is no S-expression")
		}
		tokens, text = append(tokens, sexpToken{rest[:n], false}), rest[n:]
	}
	return tokens, nil
}
