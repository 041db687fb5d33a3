//go:build browser

package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	Latencies    []float64 // behind the live edge's date, seconds
	Dropped      int
	Errors       []string
	Phone        bool   // the player fits a phone's width
	Started      bool   // a page that waited started by itself
	Ended        string // what it says after the end
	Stuck        bool   // …and so does the page of a player that cannot show the end
}

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
	cmd := exec.CommandContext(t.Context(), "node", "browser.mjs", url, out, server+"/"+strings.TrimSpace(key))
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("the browser's script: %v\n%s", err, text)
	}
	var got sight
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("read what the script saw: %v\n%s", err, text)
	}
	t.Logf("seen: %s", text)
	if err := os.WriteFile(filepath.Join(out, "browser.json"), text, 0o600); err != nil {
		t.Error(err)
	}
	got.check(t)

	demo.signal(syscall.SIGINT)
	if code := demo.exit(t, 2*time.Second); code != 0 {
		t.Errorf("Ctrl-C: exit code %d, want 0", code)
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
	if len(s.Qualities) < 4 {
		t.Errorf("the quality menu offers %v, want auto, the source and two rungs", s.Qualities)
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
	for _, e := range s.Errors {
		t.Errorf("the page's console: %s", e)
	}
}
