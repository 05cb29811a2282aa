package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Config is what a person has written down for bbtw: servers with names.
//
//	default = "team"
//
//	[servers.team]
//	url = "https://build.example.org"
//	token-file = "/home/anna/.config/buildbtw/team-token"
type Config struct {
	Default string                 `toml:"default"` // name of the server that is called when none is named
	Servers map[string]NamedServer `toml:"servers"`
}

// NamedServer is a server of the configuration.
type NamedServer struct {
	URL       string `toml:"url"`
	TokenFile string `toml:"token-file"` // empty: the token of 'bbtw auth login'
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

// ReadConfig reads the file; without one there are no servers in it. A setting that it
// does not know is an error with the number of the line: one that is passed over in
// silence sends a command to another server.
func ReadConfig(name string) (Config, error) {
	var c Config
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
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c); err != nil {
		return c, fmt.Errorf("%s: %w", name, configError(err))
	}
	for _, server := range slices.Sorted(maps.Keys(c.Servers)) {
		switch s := c.Servers[server]; {
		case s.URL == "":
			return c, fmt.Errorf("%s: server %q has no url", name, server)
		case s.TokenFile != "" && !filepath.IsAbs(s.TokenFile):
			return c, fmt.Errorf("%s: token-file %q of server %q has no directory; write all of its name", name, s.TokenFile, server)
		}
	}
	return c, nil
}

// configError returns an error of the decoder with the number of its line, and for a
// setting that nobody knows with those that there are.
func configError(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		line, _ := first.Position()
		if key := first.Key(); len(key) > 2 && key[0] == "servers" {
			return fmt.Errorf("line %d: a server has no setting %q; it has url and token-file", line, strings.Join(key[2:], "."))
		}
		return fmt.Errorf("line %d: there is no setting %q; there is default, and tables [servers.NAME]", line, strings.Join(first.Key(), "."))
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	return err
}

// mine reports whether this user may look into the directory of a file.
func mine(name string) bool {
	_, err := os.ReadDir(filepath.Dir(name))
	return err == nil
}
