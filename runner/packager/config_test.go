package packager_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/runner/packager"
)

func TestConfig_Validate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*packager.Config)
		want   []string // parts of the error; none: it is valid
	}{
		{"the defaults", func(*packager.Config) {}, nil},
		{"segments as long as the target", func(c *packager.Config) { c.Segment = 4 * time.Second }, nil},
		{"no segment", func(c *packager.Config) { c.Segment = 0 }, []string{"PHAROS_SEGMENT", "0s", "500ms"}},
		{"half seconds", func(c *packager.Config) { c.TargetDuration = 4500 * time.Millisecond }, []string{"PHAROS_TARGETDURATION", "4.5s", "whole seconds"}},
		{"not a multiple", func(c *packager.Config) { c.TargetDuration = 5 * time.Second }, []string{"PHAROS_TARGETDURATION", "5s", "whole multiple of PHAROS_SEGMENT", "2s"}},
		{"shorter than a segment", func(c *packager.Config) { c.TargetDuration = time.Second }, []string{"PHAROS_TARGETDURATION", "1s", "PHAROS_SEGMENT"}},
		{"short parts", func(c *packager.Config) { c.Part = 199 * time.Millisecond }, []string{"PHAROS_PART", "199ms", "200ms to 1s"}},
		{"long parts", func(c *packager.Config) { c.Part = 1001 * time.Millisecond }, []string{"PHAROS_PART", "1.001s", "200ms to 1s"}},
		{"parts beyond segments", func(c *packager.Config) {
			c.Segment, c.Part = 500*time.Millisecond, time.Second
		}, []string{"PHAROS_PART", "PHAROS_SEGMENT"}},
		{"no window", func(c *packager.Config) { c.Window = 0 }, []string{"PHAROS_WINDOW", "0s", "4s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := testConfig()
			c.change(&config)
			err := config.Validate()
			if (err != nil) != (c.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%q does not say %q in one line", err, want)
				}
			}
		})
	}
}

func TestConfig_PartTarget(t *testing.T) {
	t.Parallel()
	for part, want := range map[time.Duration]time.Duration{
		200 * time.Millisecond: 216 * time.Millisecond,
		333 * time.Millisecond: 349_650 * time.Microsecond,
		time.Second:            1050 * time.Millisecond,
	} {
		if got := (packager.Config{Part: part}).PartTarget(); got != want {
			t.Errorf("part target of %v is %v, want %v", part, got, want)
		}
	}
}
