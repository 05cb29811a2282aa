package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"

	"buildbtw"
	"buildbtw/internal/editdistance"
)

// configFlag names the flag of commands that read their settings from a file, too.
const configFlag = "config"

// configured marks flags that were set from the file, with its path.
const configured = "configured"

// secret marks flags whose value is shown to nobody.
const secret = "secret"

// ConfigFile adds the flag --config to a command: the file has a line for each setting, named
// like its flag. What is given on the command line or in the environment counts more.
func ConfigFile(flags *pflag.FlagSet) {
	flags.String(configFlag, "", "TOML file with settings, named like the flags; flags and environment count more")
}

// Secret marks flags whose values PrintSettings masks.
func Secret(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		annotate(flags.Lookup(name), secret, "true")
	}
}

// secretPath marks flags with options url=URL of which only the part up to the host is shown.
const secretPath = "secret-path"

// SecretPaths marks lists of NAME=KIND,url=URL whose addresses are secrets after the host.
func SecretPaths(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		annotate(flags.Lookup(name), secretPath, "true")
	}
}

// withoutPaths hides what comes after the host in the options url=URL of a value.
func withoutPaths(value string) string {
	options := strings.Split(value, ",")
	for i, option := range options {
		if address, ok := strings.CutPrefix(option, "url="); ok {
			options[i] = "url=" + buildbtw.ShownAddress(buildbtw.ChannelWebhook, address)
		}
	}
	return strings.Join(options, ",")
}

func annotate(f *pflag.Flag, key, value string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = []string{value}
}

// maxConfig is more than any file of settings has.
const maxConfig = 1 << 20

// fromConfig sets every flag that was not given otherwise from the file of --config. A
// setting NAME-file names a file with the value of NAME, where that is a flag.
func fromConfig(flags *pflag.FlagSet) error {
	f := flags.Lookup(configFlag)
	if f == nil || f.Value.String() == "" {
		return nil
	}
	path := f.Value.String()
	text, shared, err := readConfig(path)
	if err != nil {
		return Usage(fmt.Errorf("--config: %w", err))
	}
	var settings map[string]any
	if err := toml.Unmarshal(text, &settings); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return Usage(fmt.Errorf("%s, line %d: %w", path, line, err))
		}
		return Usage(fmt.Errorf("%s: %w", path, err))
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		err := setConfigured(flags, path, name, settings[name])
		if f := flags.Lookup(name); err == nil && shared && f != nil && len(f.Annotations[secret]) > 0 {
			err = fmt.Errorf("setting %s is a secret, and others can read the file: chmod 600 it, or name a file with the secret as %s-file", name, name)
		}
		if err != nil {
			return Usage(fmt.Errorf("%s, line %d: %w", path, lineOf(text, name), err))
		}
	}
	return nil
}

// setConfigured sets one flag to what the file says.
func setConfigured(flags *pflag.FlagSet, path, name string, value any) error {
	texts, err := textsOf(value)
	if err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	f := flags.Lookup(name)
	if f == nil {
		if of, isFile := strings.CutSuffix(name, "-file"); isFile && flags.Lookup(of) != nil && len(texts) == 1 {
			text, err := os.ReadFile(texts[0])
			if err != nil {
				return fmt.Errorf("setting %s: %w", name, err)
			}
			f, texts = flags.Lookup(of), []string{strings.TrimRight(string(text), "\r\n")}
			if texts[0] == "" {
				return fmt.Errorf("setting %s: the file is empty", name)
			}
		}
	}
	if f == nil || f.Name == configFlag || f.Name == "help" {
		return fmt.Errorf("there is no setting %s%s", name, nearest(name, flags))
	}
	if f.Changed {
		return nil
	}
	list, isList := f.Value.(pflag.SliceValue)
	switch {
	case isList:
		err = list.Replace(texts)
		f.Changed = true
	case isPairs(f):
		for _, text := range texts {
			err = errors.Join(err, flags.Set(f.Name, text))
		}
	case len(texts) == 1:
		err = flags.Set(f.Name, texts[0])
	default:
		err = errors.New("it takes one value")
	}
	if err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	annotate(f, configured, path)
	return nil
}

// isPairs reports whether a flag takes NAME=VALUE, again and again.
func isPairs(f *pflag.Flag) bool {
	_, ok := f.Value.(*numbers)
	return ok || f.Value.Type() == "stringToString"
}

// textsOf returns a value of TOML as flags are written.
func textsOf(value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case int64:
		return []string{strconv.FormatInt(v, 10)}, nil
	case float64:
		return []string{strconv.FormatFloat(v, 'g', -1, 64)}, nil
	case []any:
		var texts []string
		for _, one := range v {
			text, err := textsOf(one)
			if err != nil {
				return nil, err
			}
			texts = append(texts, text...)
		}
		return texts, nil
	}
	return nil, errors.New("it takes a text, a number, true, false, or a list of these")
}

// farthest is how many letters of a mistyped setting may be wrong for another to be named.
const farthest = 3

// nearest names the setting that may be meant, for the end of a sentence.
func nearest(name string, flags *pflag.FlagSet) string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != configFlag && f.Name != "help" {
			names = append(names, f.Name)
		}
	})
	for _, meant := range editdistance.Nearest(name, slices.Values(names), farthest, 1) {
		return "; do you mean " + meant + "?"
	}
	return ""
}

// lineOf returns the number of the line that sets a name, from 1.
func lineOf(text []byte, name string) int {
	set := regexp.MustCompile(`^\s*\[?"?` + regexp.QuoteMeta(name) + `"?\s*[]=.]`)
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; set.MatchString(line) {
			return n
		}
	}
	return max(n, 1)
}

// Settings returns the effective values of flags as a file for --config, each with where
// it comes from. Secrets, also those in addresses, are masked.
func Settings(flags *pflag.FlagSet) (string, error) {
	var b strings.Builder
	var failure error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == configFlag || f.Name == "help" || f.Name == "version" || failure != nil {
			return
		}
		line, err := toml.Marshal(map[string]any{f.Name: settingOf(f)})
		if err != nil {
			failure = fmt.Errorf("print setting %s: %w", f.Name, err)
			return
		}
		fmt.Fprintf(&b, "# %s\n# %s\n%s\n", f.Usage, sourceOf(f), line)
	})
	return b.String(), failure
}

// settingOf returns a flag's value as one of TOML.
func settingOf(f *pflag.Flag) any {
	text := f.Value.String()
	if list, ok := f.Value.(pflag.SliceValue); ok {
		texts := []string{}
		for _, text := range list.GetSlice() {
			texts = append(texts, masked(f, text))
		}
		return texts
	}
	if isPairs(f) {
		return strings.FieldsFunc(strings.Trim(text, "[]"), func(c rune) bool { return c == ',' })
	}
	if f.Value.Type() == "bool" {
		return text == "true"
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && f.Value.Type() != "string" {
		return n
	}
	return masked(f, text)
}

// sourceOf returns where a flag's value comes from, in words.
func sourceOf(f *pflag.Flag) string {
	switch {
	case len(f.Annotations[configured]) > 0:
		return "from " + f.Annotations[configured][0]
	case FromEnvironment(f):
		return "from the environment, " + f.Annotations[environment][0]
	case f.Changed:
		return "from the command line"
	}
	return "default"
}

func masked(f *pflag.Flag, value string) string {
	if value != "" && len(f.Annotations[secret]) > 0 {
		return "(hidden)"
	}
	if len(f.Annotations[secretPath]) > 0 {
		return withoutPaths(value)
	}
	at := strings.Index(value, "://")
	if at < 0 {
		return value
	}
	start := cmp.Or(strings.LastIndexAny(value[:at], "= ,")+1, 0)
	u, err := url.Parse(value[start:])
	if err != nil || u.User == nil {
		return value
	}
	return value[:start] + u.Redacted()
}

// readConfig reads a file of settings. shared reports whether others than its owner can
// read it.
func readConfig(path string) (text []byte, shared bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, fmt.Errorf("there is no file %s", path)
	case err != nil:
		return nil, false, err
	case !info.Mode().IsRegular() || info.Size() > maxConfig:
		return nil, false, fmt.Errorf("%s is no regular file of at most %d bytes", path, maxConfig)
	}
	text, err = os.ReadFile(path)
	return text, info.Mode().Perm()&0o077 != 0, err
}
