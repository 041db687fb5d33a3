package streamkey_test

import (
	"strings"
	"testing"

	"github.com/pharos-live/pharos/internal/streamkey"
)

func TestParseChannel(t *testing.T) {
	t.Parallel()
	const grammar = " is not 1 to 63 of the characters a-z, 0-9, '-' and '_', the first a letter or a digit"
	long := strings.Repeat("x", 63)
	tests := []struct{ in, wantErr string }{
		{"a", ""},
		{"0", ""},
		{"my_channel-2", ""},
		{"a-", ""},
		{"lives", ""},
		{long, ""},
		{"", `channel ""` + grammar},
		{long + "x", `channel "` + long + `x"` + grammar},
		{strings.Repeat("x", 5000), `channel "` + long + long + `…"` + grammar},
		{"_a", `channel "_a"` + grammar},
		{"-a", `channel "-a"` + grammar},
		{"Upper", `channel "Upper"` + grammar},
		{"a b", `channel "a b"` + grammar},
		{"a/b", `channel "a/b"` + grammar},
		{"a.b", `channel "a.b"` + grammar},
		{"a\n", `channel "a\n"` + grammar},
		{"ümlaut", `channel "ümlaut"` + grammar},
		{"live", `channel "live" is reserved; so are hls, media, api, operator, replay, healthz, readyz, metrics, debug, assets, favicon.ico`},
	}
	for _, tt := range tests {
		got, err := streamkey.ParseChannel(tt.in)
		if tt.wantErr == "" {
			if string(got) != tt.in || err != nil {
				t.Errorf("%q: %q, %v, want it taken", tt.in, got, err)
			}
			continue
		}
		if err == nil || err.Error() != tt.wantErr {
			t.Errorf("%q:\n got %v\nwant %s", tt.in, err, tt.wantErr)
		}
	}
	for _, name := range strings.Fields("live hls media api operator replay healthz readyz metrics debug assets favicon.ico") {
		if _, err := streamkey.ParseChannel(name); err == nil || !strings.Contains(err.Error(), "is reserved") {
			t.Errorf("%q: %v, want it reserved", name, err)
		}
	}
}
