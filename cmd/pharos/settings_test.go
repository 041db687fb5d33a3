package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func env(kv ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func parse(t *testing.T, args []string, getenv func(string) (string, bool)) (config, error) {
	t.Helper()
	var c config
	_, err := parseSettings("serve", "", c.serveSettings(), args, getenv, &bytes.Buffer{})
	return c, err
}

func TestSettings_FlagBeatsVariableBeatsDefault(t *testing.T) {
	t.Parallel()
	c, err := parse(t, []string{"--flame-max=3"}, env("FLAME_MAX", "2", "FLAME_MAX_CONCURRENCY", "7"))
	if err != nil {
		t.Fatal(err)
	}
	if c.flameMax != 3 || c.flameMaxConcurrency != 7 || c.httpAddr != ":8080" {
		t.Errorf("got FLAME_MAX=%d FLAME_MAX_CONCURRENCY=%d PHAROS_HTTP_ADDR=%s, want 3, 7 and :8080", c.flameMax, c.flameMaxConcurrency, c.httpAddr)
	}
}

func TestSettings_FlagsMayStandBehindArguments(t *testing.T) {
	t.Parallel()
	var c config
	rest, err := parseSettings("key", "", c.stateSettings(), []string{"new", "--data-dir", "/x", "main", "--bucket-media=b"}, env(), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rest, []string{"new", "main"}) || c.dataDir != "/x" || c.bucket.name != "b" {
		t.Errorf("got arguments %v, PHAROS_DATA_DIR=%s, BUCKET_MEDIA=%s", rest, c.dataDir, c.bucket.name)
	}
}

func TestSettings_BareNumbersAreSeconds(t *testing.T) {
	t.Parallel()
	c, err := parse(t, nil, env("FLAME_IDLE_SHUTDOWN_AFTER", "30", "FLAME_BOOT_TIMEOUT", "1m30s"))
	if err != nil {
		t.Fatal(err)
	}
	if c.flameIdle != 30*time.Second || c.flameBootTimeout != 90*time.Second {
		t.Errorf("got %v and %v, want 30s and 1m30s", c.flameIdle, c.flameBootTimeout)
	}
}

func TestSettings_AliasIsRead(t *testing.T) {
	t.Parallel()
	c, err := parse(t, nil, env("TRANSCODE_INCLUDE_MASTER", "false", "FLAME_MIX_TARGET", "nvidia"))
	if err != nil {
		t.Fatal(err)
	}
	if c.includeSource {
		t.Error("TRANSCODE_INCLUDE_MASTER=false was not read")
	}
	if c.transcodeBackend != "nvidia" {
		t.Errorf("FLAME_MIX_TARGET=nvidia gave TRANSCODE_BACKEND=%s", c.transcodeBackend)
	}
}

func TestSettings_BadValueNamesVariableValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, value string
		want        []string
	}{
		{"TRANSCODE", "720p30", []string{"TRANSCODE", "720p30"}},
		{"TRANSCODE_BACKEND", "cuda", []string{"TRANSCODE_BACKEND", "cuda", "nvidia", "xilinx", "vaapi", "auto"}},
		{"FLAME_MIX_TARGET", "host", []string{"FLAME_MIX_TARGET", "host", "nvidia"}},
		{"PHAROS_PART", "50ms", []string{"PHAROS_PART", "50ms", "200ms", "1s"}},
		{"PHAROS_PART", "soon", []string{"PHAROS_PART", "soon", "30s"}},
		{"FLAME_MAX", "0", []string{"FLAME_MAX", "1"}},
		{"FLAME_BACKEND", "moon", []string{"FLAME_BACKEND", "moon", "local"}},
		{"FLAME_LOG", "loud", []string{"FLAME_LOG", "loud", "debug"}},
		{"TRANSCODE_INCLUDE_SOURCE", "perhaps", []string{"TRANSCODE_INCLUDE_SOURCE", "perhaps", "true"}},
		{"PHAROS_MEDIA_URL", "ftp://x", []string{"PHAROS_MEDIA_URL", "https://"}},
		{"PHAROS_PUBLIC_URL", "live.example.org", []string{"PHAROS_PUBLIC_URL", "live.example.org", "https://"}},
		{"PHAROS_PUBLIC_URL", "https://example.org/live", []string{"PHAROS_PUBLIC_URL", "without a path"}},
	}
	for _, tt := range tests {
		_, err := parse(t, nil, env(tt.name, tt.value))
		if err == nil {
			t.Errorf("%s=%s was taken", tt.name, tt.value)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%s: got %q, want one line with %q", tt.name, tt.value, err, want)
			}
		}
	}
}

func TestSettings_SecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	_, err := parse(t, nil, env("REDIS_URL", "http://:hunter2@example.invalid"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

func TestHelp_PrintsEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	var c config
	var out bytes.Buffer
	_, err := parseSettings("serve", "", c.serveSettings(), []string{"-h"}, env(), &out)
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got %v, want flag.ErrHelp", err)
	}
	for _, s := range c.serveSettings() {
		if !strings.Contains(out.String(), s.env+" (default ") || !strings.Contains(out.String(), "--"+s.flagName()+" ") {
			t.Errorf("-h does not show %s and --%s", s.env, s.flagName())
		}
	}
}

func TestValidate_ChecksWhatOneSettingCannotSay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string
		want string
	}{
		{"a target duration that is no multiple", []string{"PHAROS_SEGMENT", "3s"}, "PHAROS_TARGETDURATION"},
		{"nothing to watch", []string{"TRANSCODE_INCLUDE_SOURCE", "false"}, "TRANSCODE_INCLUDE_SOURCE"},
		{"a cluster without its secret", []string{"REDIS_URL", "redis://127.0.0.1"}, "PHAROS_SECRET"},
	}
	for _, tt := range tests {
		c, err := parse(t, nil, env(tt.env...))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := c.validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error that names %s", tt.name, err, tt.want)
		}
	}
}

// TestReadme_ListsEverySetting holds the README's table and the flags together.
func TestReadme_ListsEverySetting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| (\\S+) \\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = strings.Trim(m[2], "`")
	}
	var c config
	for _, s := range c.serveSettings() {
		def, ok := rows[s.env]
		want := s.shownDefault()
		if !ok || def != want {
			t.Errorf("README has %s with default %q (listed: %v), the flags have %q", s.env, def, ok, want)
		}
		delete(rows, s.env)
	}
	for name := range rows {
		t.Errorf("README lists %s, which is no setting", name)
	}
}

// TestDeployment_NamesRealSettings holds fly.toml and Dockerfile to the flags.
func TestDeployment_NamesRealSettings(t *testing.T) {
	t.Parallel()
	var c config
	byName := map[string]setting{}
	for _, s := range c.serveSettings() {
		byName[s.env] = s
	}
	toml, err := os.ReadFile("../../fly.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, vars, _ := strings.Cut(string(toml), "[env]\n")
	vars, _, _ = strings.Cut(vars, "\n[")
	found := regexp.MustCompile(`(?m)^(\w+) = "(.*)"$`).FindAllStringSubmatch(vars, -1)
	if len(found) == 0 {
		t.Fatal("fly.toml has no settings")
	}
	for _, m := range found {
		s, ok := byName[m[1]]
		if !ok {
			t.Errorf("fly.toml sets %s, which is no setting", m[1])
		} else if err := s.set(m[2]); err != nil {
			t.Errorf("fly.toml: %s=%q: %v", m[1], m[2], err)
		}
		if s.secret {
			t.Errorf("fly.toml holds the secret %s", m[1])
		}
	}
	docker, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"./cmd/pharos", `ENTRYPOINT ["pharos"]`, `CMD ["serve"]`, "EXPOSE 8080 1935", "-X main.version="} {
		if !strings.Contains(string(docker), want) {
			t.Errorf("the Dockerfile does not say %s", want)
		}
	}
}
