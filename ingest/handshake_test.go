package ingest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/ingest/rtmptest"
)

// TestHandshake_SaysWhichCodecsAreTaken connects as encoders do that know enhanced RTMP, and as one that
// does not, and goes on to publish: what go-rtmp writes behind its answer must still fit.
func TestHandshake_SaysWhichCodecsAreTaken(t *testing.T) {
	t.Parallel()
	const both, forward = 5.0, 4.0
	enhanced := func(video ...string) map[string]any {
		list, info := []any{}, map[string]any{}
		for _, code := range video {
			list, info[code] = append(list, code), both
		}
		return map[string]any{
			"fourCcList": append(list, "mp4a"), "videoFourCcInfoMap": info,
			"audioFourCcInfoMap": map[string]any{"mp4a": forward}, "capsEx": 0.0,
		}
	}
	for _, test := range []struct {
		name  string
		h265  bool
		says  map[string]any
		want  map[string]any // of the answer's two objects; nil: nothing of enhanced RTMP
		codes []string       // of Publish
	}{
		{"fourCcList", true, map[string]any{"fourCcList": []any{"av01", "hvc1", "av01", "toolong", 7.0}}, enhanced("avc1", "hvc1"), []string{"av01", "hvc1"}},
		{"videoFourCcInfoMap", true, map[string]any{"videoFourCcInfoMap": map[string]any{"vp09": 2.0, "hvc1": 2.0}}, enhanced("avc1", "hvc1"), []string{"hvc1", "vp09"}},
		{"both", true, map[string]any{"fourCcList": []any{"vp09"}, "videoFourCcInfoMap": map[string]any{"vp09": 2.0, "*": 4.0}}, enhanced("avc1", "hvc1"), []string{"vp09", "*"}},
		{"without SUPPORTS_H265", false, map[string]any{"fourCcList": []any{"hvc1"}, "capsEx": 15.0}, enhanced("avc1"), []string{"hvc1"}},
		{"an encoder of old", true, nil, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSink()
				var asked ingest.Publish
				r := serve(t, ingest.HandlerFunc(func(_ context.Context, p ingest.Publish) (ingest.Sink, error) { asked = p; return s, nil }), ingest.Options{H265: test.h265})
				c := r.dial()
				answer, err := c.ConnectWith("live", test.says)
				must(t, err)
				if len(answer) != 4 || answer[1] != 1.0 {
					t.Fatalf("answer: got %v", answer)
				}
				if info := answer[3].(map[string]any); info["code"] != "NetConnection.Connect.Success" || info["level"] != "status" {
					t.Errorf("answer says %v", info)
				}
				for _, object := range answer[2:] {
					got := map[string]any{}
					for key, value := range object.(map[string]any) {
						if _, ok := enhanced()[key]; ok {
							got[key] = value
						}
					}
					if diff := cmp.Diff(test.want, got); diff != "" && (test.want != nil || len(got) > 0) {
						t.Errorf("(-want +got):\n%s", diff)
					}
				}
				must(t, c.CreateStream())
				must(t, c.Command(rtmptest.Stream, "publish", 3, nil, "news_key", "live"))
				if status, err := c.ReadStatus(); err != nil || status.Code != "NetStream.Publish.Start" {
					t.Errorf("publish: got %+v, %v", status, err)
				}
				if diff := cmp.Diff(test.codes, asked.FourCC); diff != "" {
					t.Errorf("Publish.FourCC (-want +got):\n%s", diff)
				}
				must(t, c.Video(0, rtmptest.VideoConfig()))
				must(t, c.Unpublish())
				if err := s.reason(t); err != nil {
					t.Errorf("publish ended: %v", err)
				}
			})
		})
	}
}

func TestHEVC_IsRefusedWithoutTheSettingAndSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		r := serve(t, take(s), ingest.Options{})
		c := r.publish()
		must(t, c.Video(0, rtmptest.HEVCStart()))
		const want = "set SUPPORTS_H265=true on the server"
		if err := s.reason(t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("publish ended with %v, want it to say %q", err, want)
		}
		if status, err := c.ReadStatus(); err != nil || status.Level != "error" || !strings.Contains(status.Description, want) {
			t.Errorf("got %+v, %v, want an error that says %q", status, err, want)
		}
		r.mustLog(want)
	})
}
