package container_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// service is what compose.yaml may say of a service. A key that is not here is a slip, or
// belongs into the test, too.
type service struct {
	Image           string            `yaml:"image"`
	Build           build             `yaml:"build"`
	Profiles        []string          `yaml:"profiles"`
	Restart         string            `yaml:"restart"`
	StopGracePeriod string            `yaml:"stop_grace_period"`
	Ports           []string          `yaml:"ports"`
	Environment     map[string]string `yaml:"environment"`
	Secrets         []string          `yaml:"secrets"`
	Volumes         []string          `yaml:"volumes"`
	ReadOnly        bool              `yaml:"read_only"`
	Tmpfs           []string          `yaml:"tmpfs"`
	CapDrop         []string          `yaml:"cap_drop"`
	SecurityOpt     []string          `yaml:"security_opt"`
	NetworkMode     string            `yaml:"network_mode"`
	DependsOn       map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		Timeout     string   `yaml:"timeout"`
		StartPeriod string   `yaml:"start_period"`
	} `yaml:"healthcheck"`
}

type build struct {
	Context    string            `yaml:"context"`
	Dockerfile string            `yaml:"dockerfile"`
	Target     string            `yaml:"target"`
	Args       map[string]string `yaml:"args"`
}

type compose struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
	Secrets  map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
}

// What the file names is there: targets, volumes, secrets; nobody has more than it says.
func TestComposeFileIsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.Open("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	var c compose
	d := yaml.NewDecoder(text)
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	recipe, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("../../" + c.Services["server"].Build.Dockerfile); err != nil {
		t.Error(err)
	}
	for name, s := range c.Services {
		if !regexp.MustCompile(`(?m)^FROM \S+ AS `+regexp.QuoteMeta(s.Build.Target)+`$`).Match(recipe) || s.Build.Context != "../.." {
			t.Errorf("%s is built of %+v", name, s.Build)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s keeps capabilities: %v, %v", name, s.CapDrop, s.SecurityOpt)
		}
		if name != "worker" && (len(s.SecurityOpt) != 1 || !s.ReadOnly) {
			t.Errorf("%s needs no opening: %v", name, s.SecurityOpt)
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if _, found := c.Volumes[from]; !found && !strings.HasPrefix(from, "./") {
				t.Errorf("%s uses the volume %s, which is not declared", name, from)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s uses the secret %s, which is no file", name, secret)
			}
		}
		for variable, value := range s.Environment {
			if file, is := strings.CutPrefix(value, "/run/secrets/"); is && !slices.Contains(s.Secrets, file) {
				t.Errorf("%s of %s is %s, which it does not get", variable, name, value)
			}
			if strings.HasSuffix(variable, "_SECRET") || strings.HasSuffix(variable, "_KEY") || strings.HasSuffix(variable, "_TOKEN") {
				t.Errorf("%s of %s is a secret in the environment", variable, name)
			}
		}
	}
	server := c.Services["server"]
	if got := server.Healthcheck.Test; len(got) == 0 || !strings.HasSuffix(got[len(got)-1], "/api/v1/ready") {
		t.Errorf("the server's health is %v", got)
	}
	if len(server.Ports) != 1 || !strings.HasPrefix(server.Ports[0], "127.0.0.1:") {
		t.Errorf("the server is reached at %v", server.Ports)
	}
}
