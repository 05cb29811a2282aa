package notify_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/notify"
)

// mailServer behaves like a mail server (RFC 5321, 3207, 4954), with faults.
type mailServer struct {
	net.Listener
	tls      *tls.Config
	implicit bool

	mu       sync.Mutex
	noTLS    bool
	rcpt     string // answer to RCPT; empty: 250
	hang     bool   // says nothing after RCPT
	mails    []string
	envelope []string
	login    string
	plain    []string // commands after EHLO that came unencrypted
}

func newMailServer(t *testing.T, implicit bool) (*mailServer, *notify.Mail) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	s := &mailServer{Listener: l, implicit: implicit, tls: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	m := &notify.Mail{
		Server: l.Addr().String(), TLS: notify.MailSTARTTLS, User: "buildbtw", Password: "mail-word",
		From: mail.Address{Name: "buildbtw", Address: "buildbtw@example.org"}, Site: "build.example.org", Config: &tls.Config{RootCAs: roots},
	}
	if implicit {
		m.TLS = notify.MailImplicit
	}
	return s, m
}

func (s *mailServer) set(change func(*mailServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *mailServer) serve(conn net.Conn) {
	defer func() { conn.Close() }()
	conn.SetDeadline(time.Now().Add(time.Minute))
	encrypted := s.implicit
	if encrypted {
		conn = tls.Server(conn, s.tls)
	}
	in := bufio.NewReader(conn)
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 mail")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		s.mu.Lock()
		rcpt, hang, noTLS := s.rcpt, s.hang, s.noTLS
		if !encrypted && verb != "EHLO" && verb != "STARTTLS" && verb != "QUIT" {
			s.plain = append(s.plain, line)
		}
		s.mu.Unlock()
		switch verb {
		case "EHLO":
			say("250-mail")
			if !encrypted && !noTLS {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go on")
			conn, encrypted = tls.Server(conn, s.tls), true
			in = bufio.NewReader(conn)
		case "AUTH":
			word, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			s.set(func(s *mailServer) { s.login = string(word) })
			if !strings.HasSuffix(string(word), "\x00mail-word") {
				say("535 no: " + string(word))
				continue
			}
			say("235 welcome")
		case "MAIL":
			s.set(func(s *mailServer) { s.envelope = []string{rest} })
			say("250 ok")
		case "RCPT":
			s.set(func(s *mailServer) { s.envelope = append(s.envelope, rest) })
			if hang {
				io.Copy(io.Discard, in)
				return
			}
			if rcpt != "" {
				say(rcpt)
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text bytes.Buffer
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			s.set(func(s *mailServer) { s.mails = append(s.mails, text.String()) })
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

func (s *mailServer) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

func TestMails(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		t.Run("implicit "+strconv.FormatBool(implicit), func(t *testing.T) {
			t.Parallel()
			server, m := newMailServer(t, implicit)
			s := newSite(t, notify.Settings{Mail: m, Channels: []string{"list=mail,to=staging@lists.example.org"}}, "a")
			s.fail(t)
			s.pass(t)
			s.Clock.Advance(5 * time.Hour)
			s.pass(t)
			s.Clock.Advance(time.Minute)
			s.pass(t)
			mails := server.received()
			if len(mails) != 2 {
				t.Fatalf("%d mails; deliveries %+v", len(mails), s.deliveries(t))
			}
			ids, threads := map[string]bool{}, map[string]bool{}
			for _, text := range mails {
				parsed, err := mail.ReadMessage(strings.NewReader(text))
				if err != nil {
					t.Fatal(err)
				}
				h := parsed.Header
				ids[h.Get("Message-Id")], threads[h.Get("References")] = true, true
				subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
				if err != nil || !strings.HasPrefix(subject, "curl-4 #1: ") {
					t.Errorf("subject %q, %v", subject, err)
				}
				body, err := io.ReadAll(quotedprintable.NewReader(parsed.Body))
				if err != nil || !strings.Contains(string(body), "lib failed (x86_64): error: ä < b.") || !strings.Contains(string(body), "https://build.example.org/buildspaces/curl-4") {
					t.Errorf("body %q, %v", body, err)
				}
				if h.Get("List-Id") != "buildbtw list <list.buildbtw.build.example.org>" || h.Get("Auto-Submitted") != "auto-generated" || h.Get("In-Reply-To") != h.Get("References") {
					t.Errorf("headers %v", h)
				}
				if _, err := h.Date(); err != nil {
					t.Error(err)
				}
			}
			if len(ids) != 2 || len(threads) != 1 || !threads["<buildspace.curl-4@build.example.org>"] {
				t.Errorf("ids %v, threads %v", ids, threads)
			}
			server.set(func(s *mailServer) {
				if len(s.plain) > 0 || s.login != "\x00buildbtw\x00mail-word" || s.envelope[0] != "FROM:<buildbtw@example.org>" || s.envelope[1] != "TO:<staging@lists.example.org>" {
					t.Errorf("unencrypted %q, login %q, envelope %q", s.plain, s.login, s.envelope)
				}
			})
		})
	}
}

func TestMailServersWithFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  func(*mailServer, *notify.Mail)
		status buildbtw.DeliveryStatus
		words  string
	}{
		"421 is tried again":        {func(s *mailServer, _ *notify.Mail) { s.rcpt = "421 busy" }, buildbtw.DeliveryWaiting, "421 busy"},
		"550 is given up":           {func(s *mailServer, _ *notify.Mail) { s.rcpt = "550 nobody here" }, buildbtw.DeliveryGivenUp, "550 nobody here"},
		"no STARTTLS sends nothing": {func(s *mailServer, _ *notify.Mail) { s.noTLS = true }, buildbtw.DeliveryWaiting, "offers no STARTTLS"},
		"a wrong password":          {func(_ *mailServer, m *notify.Mail) { m.Password = "other-word" }, buildbtw.DeliveryWaiting, "refused the login with 535"},
		"an unknown certificate":    {func(_ *mailServer, m *notify.Mail) { m.Config = nil }, buildbtw.DeliveryWaiting, "certificate"},
		"nobody listens":            {func(s *mailServer, _ *notify.Mail) { s.Close() }, buildbtw.DeliveryWaiting, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, m := newMailServer(t, false)
			server.set(func(s *mailServer) { c.fault(s, m) })
			s := newSite(t, notify.Settings{Mail: m, Channels: []string{"list=mail,to=staging@lists.example.org"}}, "a")
			s.fail(t)
			s.pass(t)
			rows := s.deliveries(t)
			if len(rows) != 1 || rows[0].Status != c.status || !strings.Contains(rows[0].Error, c.words) || strings.Contains(rows[0].Error, "-word") {
				t.Errorf("%+v", rows)
			}
			server.set(func(s *mailServer) {
				if len(s.mails) > 0 || len(s.plain) > 0 {
					t.Errorf("mails %q, unencrypted %q", s.mails, s.plain)
				}
			})
		})
	}
}

func TestAnAddressIsConfirmedByACode(t *testing.T) {
	t.Parallel()
	server, m := newMailServer(t, false)
	s := newSite(t, notify.Settings{Mail: m}, "a")
	who := s.person(t, s.space.CreatedBy)
	c, secret, err := s.notifier.AddChannel(t.Context(), who, buildbtw.ChannelMail, "anna@example.org")
	if err != nil || secret != "" {
		t.Fatal(secret, err)
	}
	s.fail(t)
	s.pass(t)
	mails := server.received()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	if _, err := s.notifier.Test(t.Context(), who, strconv.FormatInt(c.ID, 10)); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a test to an address that is not confirmed: %v", err)
	}
	if err := s.notifier.ConfirmChannel(t.Context(), who, c.ID, "wrong"); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("a wrong code: %v", err)
	}
	_, after, _ := strings.Cut(mails[0], "confirm "+strconv.FormatInt(c.ID, 10)+" ")
	code := strings.Fields(after)[0]
	if err := s.notifier.ConfirmChannel(t.Context(), s.person(t, "other"), c.ID, code); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("the code in other hands: %v", err)
	}
	if err := s.notifier.ConfirmChannel(t.Context(), who, c.ID, code); err != nil {
		t.Fatal(err)
	}
	if d, err := s.notifier.Test(t.Context(), who, strconv.FormatInt(c.ID, 10)); err != nil || d.Status != buildbtw.DeliveryDelivered {
		t.Errorf("%+v, %v", d, err)
	}
	for range 30 {
		err = s.notifier.ConfirmChannel(t.Context(), s.person(t, "other"), c.ID, "guess")
	}
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Error(err)
	}
	for _, bad := range []string{"", "anna", "a@b\r\nBcc: c@d", "Anna <anna@example.org>", "a@example.org,b@example.org"} {
		if _, _, err := s.notifier.AddChannel(t.Context(), who, buildbtw.ChannelMail, bad); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
