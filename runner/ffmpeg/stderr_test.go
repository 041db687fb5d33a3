package ffmpeg_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func newLineLog() (*ffmpeg.LineLog, *bytes.Buffer) {
	var b bytes.Buffer
	h := slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	return ffmpeg.NewLineLog(slog.New(h)), &b
}

func TestLineLog_JoinsWritesIntoLines(t *testing.T) {
	t.Parallel()
	l, out := newLineLog()
	for _, s := range []string{"one\ntw", "o\r\n\n", strings.Repeat("x", 5000), "y\nthe", " end"} {
		if n, err := io.WriteString(l, s); n != len(s) || err != nil {
			t.Errorf("Write: got %d, %v, want %d", n, err, len(s))
		}
	}
	want := []string{"one", "two", strings.Repeat("x", 1024), "the end"}
	if diff := cmp.Diff(want, l.Finish()); diff != "" {
		t.Errorf("last lines (-want +got):\n%s", diff)
	}
	if got, want := out.String(), `level=WARN msg="ffmpeg says" line=one`+"\n"; !strings.HasPrefix(got, want) {
		t.Errorf("log: got %s, want it to begin with %s", got, want)
	}
}

func TestLineLog_LogsTenLinesInTenSecondsAndKeepsTheLastTwenty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, out := newLineLog()
		burst := func(from, n int) {
			for i := range n {
				fmt.Fprintf(l, "line %d\n", from+i)
			}
		}
		burst(0, 30)
		time.Sleep(9 * time.Second)
		burst(30, 1)
		time.Sleep(time.Second)
		burst(31, 1)
		burst(32, 12)
		last := l.Finish()
		if got, want := len(last), 20; got != want {
			t.Fatalf("kept %d lines, want %d", got, want)
		}
		if last[0] != "line 24" || last[19] != "line 43" {
			t.Errorf("kept %q to %q, want lines 24 to 43", last[0], last[19])
		}
		logged := strings.Split(strings.TrimSpace(out.String()), "\n")
		if got, want := len(logged), 10+10+1; got != want {
			t.Fatalf("logged %d lines, want %d:\n%s", got, want, out)
		}
		for i, want := range map[int]string{
			9:  `level=WARN msg="ffmpeg says" line="line 9"`,
			10: `level=WARN msg="ffmpeg says" suppressed=21 line="line 31"`,
			20: `level=WARN msg="ffmpeg said more" suppressed=3`,
		} {
			if logged[i] != want {
				t.Errorf("log line %d: got %s, want %s", i, logged[i], want)
			}
		}
	})
}

func TestEnviron_PassesOnOnlyWhatIsListed(t *testing.T) {
	t.Parallel()
	got := ffmpeg.Environ([]string{
		"PATH=/bin", "HOME=/root", "LANG=C.UTF-8", "LC_ALL=C", "TMPDIR=/tmp", "TZ=UTC",
		"AWS_SECRET_ACCESS_KEY=a", "REDIS_URL=b", "PHAROS_SECRET=c", "FLY_API_TOKEN=d", "PATHS=e", "path=f", "LD_PRELOAD=g", "FFREPORT=h", "odd",
	})
	want := []string{"AV_LOG_FORCE_NOCOLOR=1", "PATH=/bin", "HOME=/root", "LANG=C.UTF-8", "LC_ALL=C", "TMPDIR=/tmp", "TZ=UTC"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if ffmpeg.Environ(nil) == nil {
		t.Error("nil: os/exec takes that for the whole environment")
	}
}
