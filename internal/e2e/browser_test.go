//go:build browser

package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A sight is what the script saw in the browser.
type sight struct {
	Offline      string    // what the page says while nobody is live
	Advanced     float64   // seconds of playing time within five seconds
	Audio        int       // bytes of sound decoded
	Qualities    []string  // the quality menu's entries
	Switched     bool      // choosing another one changed what plays
	LowLatency   bool      // hls.js' mode
	Target, Hold float64   // target latency and PART-HOLD-BACK, seconds
	Latencies    []float64 // age of the picture, seconds
	Pill         string    // what the live pill says
	Dropped      int
	Errors       []string
	Phone        bool   // the player fits a phone's width
	Started      bool   // a page that waited started by itself
	Ended        string // what it says after the end
	Stuck        bool   // …and so does the page of a player that cannot show the end
	Offered      bool   // the replay, once there is one
}

// controls are what the other script saw of the page in use.
type controls struct {
	Keys map[string]bool // what each key did

	WentBack, StayedBack, WentLive bool
	PillBehind                     string

	Stable struct {
		Target float64
		Low    bool
	}
	HoldBack     float64
	StableBehind bool
	Focus        bool   // it is on the button again after a choice
	Remembered   string // the mode after the page was loaded anew

	Embedded, EmbeddedOffline, PageInFrame bool

	Listed     bool
	ReplayFrom float64 // where ?t=12 began
	ReplayLive int     // live controls in a replay
	Thumbnail  bool
	Tenths     bool

	Noticed, CameBack bool
	Errors            []string
}

// pill is what the live pill says at the edge: tenths of a second.
var pill = regexp.MustCompile(`^Live\s+\d+\.\d s$`)

func TestDemo_PlaysInTheBrowser(t *testing.T) {
	need(t, "ffmpeg", "node", "chromium")
	demo := start(t, append(baseEnv(), "PHAROS_HTTP_ADDR=127.0.0.1:0", "PHAROS_RTMP_ADDR=127.0.0.1:0"), binary, "demo")
	url := regexp.MustCompile(`http://\S+`).FindString(demo.line(t, "watch", 30*time.Second))

	server := regexp.MustCompile(`rtmp://\S+`).FindString(demo.line(t, "server ", 5*time.Second))
	_, key, _ := strings.Cut(demo.line(t, "stream key", 5*time.Second), "key")

	out := os.Getenv("PHAROS_SCREENSHOTS")
	if out == "" {
		out = "../../out"
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	var watched sight
	browse(t, &watched, filepath.Join(out, "browser.json"), "browser.mjs", url, out, server+"/"+strings.TrimSpace(key))
	watched.check(t)
	var used controls
	browse(t, &used, filepath.Join(out, "controls.json"), "browser_controls.mjs", url, out)
	used.check(t)

	demo.signal(syscall.SIGINT)
	if code := demo.exit(t, 2*time.Second); code != 0 {
		t.Errorf("Ctrl-C: exit code %d, want 0", code)
	}
}

// browse runs a script in the browser, and reads what it saw; keep gets it as it is.
func browse(t *testing.T, into any, keep, script string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", append([]string{script}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("read what %s saw: %v\n%s", script, err, text)
	}
	t.Logf("%s saw: %s", script, text)
	if err := os.WriteFile(keep, text, 0o600); err != nil {
		t.Error(err)
	}
}

func (s sight) check(t *testing.T) {
	t.Helper()
	if s.Offline == "" {
		t.Error("the page of an offline channel says nothing")
	}
	if s.Advanced < 4 {
		t.Errorf("the picture advanced %.2f s in five seconds", s.Advanced)
	}
	if s.Audio == 0 {
		t.Error("no sound was decoded")
	}
	if len(s.Qualities) != 4 || !strings.HasPrefix(s.Qualities[0], "Auto (") || !slices.Equal(s.Qualities[1:], []string{"Source 720p30", "480p30", "240p30"}) {
		t.Errorf("the quality menu offers %q, want auto, the source by its name, and the rungs", s.Qualities)
	}
	if !pill.MatchString(s.Pill) {
		t.Errorf("the pill says %q, want the latency with tenths", s.Pill)
	}
	if !s.Switched {
		t.Error("choosing a quality changed nothing")
	}
	if !s.LowLatency || s.Target == 0 || s.Target-s.Hold > 0.01 || s.Hold-s.Target > 0.01 {
		t.Errorf("low latency %v with target %.3f s; want PART-HOLD-BACK, %.3f s", s.LowLatency, s.Target, s.Hold)
	}
	if !s.Phone {
		t.Error("the player does not fit a phone's width")
	}
	if !s.Started {
		t.Error("the page of a channel that went live did not start by itself")
	}
	if s.Ended == "" {
		t.Error("the page says nothing of the broadcast's end")
	}
	if !s.Stuck {
		t.Error("the page of a player that stands still says nothing of the broadcast's end")
	}
	if !s.Offered {
		t.Error("the replay was not offered after the end")
	}
	for _, e := range s.Errors {
		t.Errorf("the page's console: %s", e)
	}
}

func (c controls) check(t *testing.T) {
	t.Helper()
	for key, worked := range c.Keys {
		if !worked {
			t.Errorf("the keyboard: %s did not work", key)
		}
	}
	if len(c.Keys) == 0 {
		t.Error("no key was tried")
	}
	if !c.WentBack || !c.StayedBack || !c.WentLive || !strings.HasPrefix(c.PillBehind, "Go live") {
		t.Errorf("rewind: went back %v with the pill saying %q, stayed %v, live again %v", c.WentBack, c.PillBehind, c.StayedBack, c.WentLive)
	}
	if c.Stable.Low || c.HoldBack == 0 || c.Stable.Target < c.HoldBack || !c.StableBehind {
		t.Errorf("Stable: target %.2f s, want HOLD-BACK, %.2f s; low latency %v; went there %v", c.Stable.Target, c.HoldBack, c.Stable.Low, c.StableBehind)
	}
	if !c.Focus {
		t.Error("after a choice the focus is not on the menu's button")
	}
	if c.Remembered != "stable" {
		t.Errorf("the next page has the mode %q, want the one chosen", c.Remembered)
	}
	if !c.Embedded || !c.EmbeddedOffline || c.PageInFrame {
		t.Errorf("in frames: picture %v, offline said %v, the page itself %v; want all but the last", c.Embedded, c.EmbeddedOffline, c.PageInFrame)
	}
	if !c.Listed || c.ReplayFrom < 12 || c.ReplayFrom > 17 || c.ReplayLive > 0 || !c.Thumbnail || !c.Tenths {
		t.Errorf("replay: listed %v, ?t=12 began at %.1f s, %d live controls, thumbnail %v, key 5 %v", c.Listed, c.ReplayFrom, c.ReplayLive, c.Thumbnail, c.Tenths)
	}
	if !c.Noticed || !c.CameBack {
		t.Errorf("without a server: said so %v, came back %v", c.Noticed, c.CameBack)
	}
	for _, e := range c.Errors {
		t.Errorf("the page's console: %s", e)
	}
}
