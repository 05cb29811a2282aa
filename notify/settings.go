package notify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"buildbtw"
)

// sender is where messages go. An error is a *failure when it has more to tell than its
// words.
type sender interface {
	send(ctx context.Context, m Message) error
}

// ServerChannel is a channel of the server: it gets the messages about all buildspaces.
type ServerChannel struct {
	Name    string
	Kind    buildbtw.ChannelKind
	Address string // as buildbtw.ShownAddress may show it

	sender sender
}

// Settings are what an administrator set.
type Settings struct {
	Channels []string // NAME=KIND,OPTION=VALUE,…
	Mail     *Mail    // nil: no mails are sent
	Matrix   *Matrix  // nil: there are no rooms
	Guard    Guard

	ReadFile func(name string) ([]byte, error)
	Now      func() time.Time
}

// ServerChannels reads the channels of the settings. The errors name no secret.
func (s Settings) ServerChannels() ([]ServerChannel, error) {
	if s.Mail != nil {
		if err := s.Mail.Check(); err != nil {
			return nil, err
		}
	}
	if s.Matrix != nil {
		if err := s.Matrix.Check(); err != nil {
			return nil, err
		}
	}
	var list []ServerChannel
	for _, text := range s.Channels {
		c, err := s.parse(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(o ServerChannel) bool { return o.Name == c.Name }) {
			return nil, fmt.Errorf("channel %s is given twice", c.Name)
		}
		list = append(list, c)
	}
	return list, nil
}

// options are what follows the kind of a channel. Each is taken once; rest are left.
type options map[string]string

func (o options) take(key string) string {
	v := o[key]
	delete(o, key)
	return v
}

func (s Settings) parse(text string) (ServerChannel, error) {
	parts := strings.Split(text, ",")
	name, kind, _ := strings.Cut(parts[0], "=")
	c := ServerChannel{Name: name, Kind: buildbtw.ChannelKind(kind)}
	if err := buildbtw.CheckChannelName(name); err != nil {
		return c, err
	}
	if strings.Trim(name, "0123456789") == "" {
		return c, fmt.Errorf("channel %s: people's channels have numbers; use a name with a letter", name)
	}
	opts := options{}
	for _, part := range parts[1:] {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" || opts[key] != "" {
			return c, fmt.Errorf("channel %s: options are written as KEY=VALUE, each once, separated by commas", name)
		}
		opts[key] = value
	}
	var err error
	switch c.Kind {
	case buildbtw.ChannelWebhook:
		c.Address, c.sender, err = s.parseWebhook(opts)
	case buildbtw.ChannelMail:
		c.Address = opts.take("to")
		c.sender, err = s.mailbox(c.Address, name)
	case buildbtw.ChannelMatrix:
		c.Address = opts.take("room")
		switch {
		case s.Matrix == nil:
			err = fmt.Errorf("a room needs --matrix-url and --matrix-token")
		case !strings.HasPrefix(c.Address, "!"):
			err = fmt.Errorf("room=%.80q is no id of a room; it begins with !, and clients show it in the settings of the room", c.Address)
		}
		c.sender = &room{s.Matrix, c.Address, newClient(nil)}
	case buildbtw.ChannelHTTP:
		c.Address, c.sender, err = s.parseRequest(opts)
	default:
		err = fmt.Errorf("%.40q is no kind of channel; choose webhook, mail, matrix or http", kind)
	}
	for key := range opts {
		if err == nil {
			err = fmt.Errorf("%s has no option %.40q", kind, key)
		}
	}
	if err != nil {
		return c, fmt.Errorf("channel %s: %w", name, err)
	}
	return c, nil
}

// parseURL takes url=URL or url-file=FILE.
func (s Settings) parseURL(opts options) (string, error) {
	address, file := opts.take("url"), opts.take("url-file")
	if (address == "") == (file == "") {
		return "", fmt.Errorf("give one of url=URL and url-file=FILE")
	}
	if file != "" {
		text, err := s.read("url-file", file)
		if err != nil {
			return "", err
		}
		address = text
	}
	return address, checkURL(address)
}

// read returns the text of a small file that an option names.
func (s Settings) read(key, file string) (string, error) {
	if file == "" {
		return "", fmt.Errorf("%s=FILE is missing", key)
	}
	text, err := s.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	if len(text) > maxBody {
		return "", fmt.Errorf("%s: %s has more than %d bytes", key, file, maxBody)
	}
	return strings.TrimSpace(string(text)), nil
}

func (s Settings) parseWebhook(opts options) (string, sender, error) {
	address, err := s.parseURL(opts)
	if err != nil {
		return "", nil, err
	}
	secret, err := s.read("secret-file", opts.take("secret-file"))
	if err != nil {
		return "", nil, err
	}
	key, err := parseSecret(secret)
	return address, &webhook{address, key, newClient(nil), s.Now}, err
}

func (s Settings) parseRequest(opts options) (string, sender, error) {
	address, err := s.parseURL(opts)
	if err != nil {
		return "", nil, err
	}
	r := &request{method: http.MethodPost, url: address, header: http.Header{}, client: newClient(nil)}
	if m := opts.take("method"); m != "" {
		if r.method = m; m != http.MethodPost && m != http.MethodPut {
			return "", nil, fmt.Errorf("method=%.40q: choose POST or PUT", m)
		}
	}
	if file := opts.take("headers-file"); file != "" {
		text, err := s.read("headers-file", file)
		if err != nil {
			return "", nil, err
		}
		if r.header, err = parseHeaders(text); err != nil {
			return "", nil, err
		}
	}
	text, err := s.read("body-file", opts.take("body-file"))
	if err != nil {
		return "", nil, err
	}
	if r.body, err = parseTemplate(text); err != nil {
		return "", nil, fmt.Errorf("body-file: %w", err)
	}
	return address, r, nil
}

// mailbox returns the sender for an address.
func (s Settings) mailbox(address, list string) (sender, error) {
	if s.Mail == nil {
		return nil, buildbtw.Unavailable("this server sends no mails; an administrator sets --smtp-server and --mail-from")
	}
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	return &mailbox{s.Mail, address, list, s.Now}, nil
}
