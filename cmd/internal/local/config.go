package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Config is what a person has written down for bbtw: servers with names.
//
//	default = "team"
//
//	[servers.team]
//	url = "https://build.example.org"
//	token-file = "/home/anna/.config/buildbtw/team-token"
//
// The file is TOML, of which it takes tables, strings and comments.
type Config struct {
	Default string // name of the server that is called when none is named
	Servers map[string]NamedServer
}

// NamedServer is a server of the configuration.
type NamedServer struct {
	URL       string
	TokenFile string // empty: the token of 'bbtw auth login'
}

// ReadToken reads the server's token as it is now.
func (s NamedServer) ReadToken() (string, error) {
	token, err := readSecret(s.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token for %s: %w", s.URL, err)
	}
	return token, nil
}

// Has tells which servers there are.
func (c Config) Has() string {
	if len(c.Servers) == 0 {
		return "it names none"
	}
	return "it has " + strings.Join(slices.Sorted(maps.Keys(c.Servers)), ", ")
}

// ConfigFile returns the name of the file for settings of this user's bbtw
// ($XDG_CONFIG_HOME, XDG Base Directory Specification).
func ConfigFile() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "buildbtw", "bbtw.toml"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration: %w; set XDG_CONFIG_HOME", err)
	}
	return filepath.Join(home, ".config", "buildbtw", "bbtw.toml"), nil
}

// maxConfig bounds the file.
const maxConfig = 1 << 20

// ReadConfig reads the file; without one there are no servers in it. What it does not
// know is an error with the number of the line: a setting that is passed over in
// silence sends a command to another server.
func ReadConfig(name string) (Config, error) {
	c := Config{Servers: map[string]NamedServer{}}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && !mine(name) { // HOME is another user's after su or setpriv
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > maxConfig {
		return c, fmt.Errorf("%s is larger than %d bytes", name, maxConfig)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxConfig)
	table := ""
	for n := 1; lines.Scan(); n++ {
		if err := c.readLine(strings.TrimSpace(lines.Text()), &table); err != nil {
			return c, fmt.Errorf("%s: line %d: %w", name, n, err)
		}
	}
	for server, s := range c.Servers {
		if s.URL == "" {
			return c, fmt.Errorf("%s: server %q has no url", name, server)
		}
	}
	return c, lines.Err()
}

// mine reports whether this user may look into the directory of a file.
func mine(name string) bool {
	_, err := os.ReadDir(filepath.Dir(name))
	return err == nil
}

// readLine reads a line: a table's name, or a key with its value.
func (c *Config) readLine(line string, table *string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	if line[0] == '[' {
		heading, _, _ := strings.Cut(line, "#")
		server, ok := strings.CutPrefix(strings.TrimSpace(heading), "[servers.")
		server, closed := strings.CutSuffix(server, "]")
		if server = strings.Trim(server, `"`); !ok || !closed || !isServerName(server) {
			return fmt.Errorf("%s names no server; write [servers.NAME], with letters, digits, - and _", line)
		}
		if _, twice := c.Servers[server]; twice {
			return fmt.Errorf("there is a server %q already", server)
		}
		*table, c.Servers[server] = server, NamedServer{}
		return nil
	}
	key, rest, ok := strings.Cut(line, "=")
	quoted, err := strconv.QuotedPrefix(strings.TrimSpace(rest))
	if !ok || err != nil || quoted[0] != '"' {
		return fmt.Errorf(`%q is no setting; write KEY = "VALUE"`, line)
	}
	if after := strings.TrimSpace(strings.TrimSpace(rest)[len(quoted):]); after != "" && after[0] != '#' {
		return fmt.Errorf("%q stands behind the value", after)
	}
	value, err := strconv.Unquote(quoted)
	if err != nil {
		return fmt.Errorf("%s is no text", quoted)
	}
	return c.set(*table, strings.TrimSpace(key), value)
}

func (c *Config) set(table, key, value string) error {
	server := c.Servers[table]
	switch {
	case table == "" && key == "default":
		c.Default = value
		return nil
	case table != "" && key == "url":
		server.URL = value
	case table != "" && key == "token-file":
		if !filepath.IsAbs(value) {
			return fmt.Errorf("token-file %q has no directory; write all of its name", value)
		}
		server.TokenFile = value
	case table == "":
		return fmt.Errorf("there is no setting %q; there is default, and tables [servers.NAME]", key)
	default:
		return fmt.Errorf("a server has no setting %q; it has url and token-file", key)
	}
	c.Servers[table] = server
	return nil
}

func isServerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}
