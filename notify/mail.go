package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"
)

// MailTLS is how a connection to a mail server is encrypted.
type MailTLS string

// The ways to encrypt.
const (
	MailSTARTTLS MailTLS = "starttls" // refused when the server does not offer it
	MailImplicit MailTLS = "implicit" // from the first byte on
	MailPlain    MailTLS = "none"     // for a server on this machine only
)

// Mail is the server through which mails are sent.
type Mail struct {
	Server   string // HOST:PORT
	TLS      MailTLS
	User     string // empty: no login
	Password string
	From     mail.Address
	Site     string // host of buildbtw, for the ids of messages

	Config *tls.Config // nil: that of the system
}

// Check returns an error for settings that cannot be used.
func (m *Mail) Check() error {
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil || host == "" {
		return fmt.Errorf("%q is no mail server; write HOST:PORT", m.Server)
	}
	ip := net.ParseIP(host)
	if m.TLS == MailPlain && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("mails to %s would go over the network unencrypted; only a mail server on this machine is used so", host)
	}
	if (m.User == "") != (m.Password == "") {
		return errors.New("the user of a mail server and the password go together")
	}
	return nil
}

// mailbox sends messages to one address.
type mailbox struct {
	*Mail
	to   string
	list string // name of the channel, for List-Id
	now  func() time.Time
}

func (b *mailbox) send(ctx context.Context, m Message) error {
	return b.Mail.deliver(ctx, b.to, b.write(m))
}

// write returns a message with its headers. All messages about one buildspace refer to one
// that is never sent, so that readers show them as one thread.
func (b *mailbox) write(m Message) []byte {
	var out bytes.Buffer
	header := func(name, value string) {
		fmt.Fprintf(&out, "%s: %s\r\n", name, strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' '
			}
			return r
		}, value))
	}
	header("From", b.From.String())
	header("To", (&mail.Address{Address: b.to}).String())
	header("Subject", mime.QEncoding.Encode("utf-8", m.Subject))
	header("Date", b.now().UTC().Format(time.RFC1123Z))
	header("Message-ID", "<"+m.ID+"@"+b.Site+">")
	if m.Buildspace != "" {
		thread := "<buildspace." + strings.ReplaceAll(m.Buildspace, "@", "=") + "@" + b.Site + ">"
		header("In-Reply-To", thread)
		header("References", thread)
	}
	header("List-Id", "buildbtw "+b.list+" <"+b.list+".buildbtw."+b.Site+">")
	header("Auto-Submitted", "auto-generated") // RFC 3834: nothing answers it by itself
	header("X-Auto-Response-Suppress", "All")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	out.WriteString("\r\n")
	body := quotedprintable.NewWriter(&out)
	body.Write([]byte(strings.ReplaceAll(m.Text(), "\n", "\r\n"))) //nolint:errcheck // a buffer takes all
	body.Close()                                                   //nolint:errcheck // likewise
	return out.Bytes()
}

// deliver hands a mail to the server.
func (m *Mail) deliver(ctx context.Context, to string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return fmt.Errorf("the mail server cannot be reached: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends what reads or writes
	defer stop()
	if err := m.converse(conn, host, to, text); err != nil {
		if ctx.Err() != nil {
			return &failure{words: "the mail server did not answer in time"}
		}
		return mailFailure(err)
	}
	return nil
}

// converse sends a mail over a connection (RFC 5321).
func (m *Mail) converse(conn net.Conn, host, to string, text []byte) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if m.Config != nil {
		config = m.Config.Clone()
	}
	config.ServerName = host
	if m.TLS == MailImplicit {
		conn = tls.Client(conn, config)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if err := c.Hello("buildbtw." + m.Site); err != nil {
		return err
	}
	if m.TLS == MailSTARTTLS {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return &failure{words: "the mail server offers no STARTTLS, and mails are not sent unencrypted"}
		}
		if err := c.StartTLS(config); err != nil {
			return err
		}
	}
	if m.User != "" {
		if err := c.Auth(smtp.PlainAuth("", m.User, m.Password, host)); err != nil {
			var answer *textproto.Error
			if errors.As(err, &answer) { // its text may repeat the login
				return &failure{words: fmt.Sprintf("the mail server refused the login with %d", answer.Code)}
			}
			return err
		}
	}
	if err := c.Mail(m.From.Address); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the mail was accepted
	return nil
}

// mailFailure makes an answer of 500 to 599 a permanent failure.
func mailFailure(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return &failure{words: fmt.Sprintf("the mail server answered %d %.200s", answer.Code, answer.Msg), permanent: answer.Code >= 500}
	}
	var own *failure
	if errors.As(err, &own) {
		return own
	}
	return fmt.Errorf("talk to the mail server: %w", err)
}

// checkAddress returns an error for what is no address of one mailbox.
func checkAddress(text string) error {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > 254 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		return errors.New("this is no e-mail address; write it as name@example.org")
	}
	return nil
}
