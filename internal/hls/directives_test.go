package hls_test

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

func TestParseDirectives(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query string
		want  hls.Directives
		bad   bool
	}{
		{"", hls.Directives{}, false},
		{"_HLS_msn=7", msn(7), false},
		{"_HLS_msn=7&_HLS_part=0", partOf(7, 0), false},
		{"_HLS_msn=18446744073709551615", msn(math.MaxUint64), false},
		{"_HLS_skip=YES", skip, false},
		{"_HLS_skip=v2", skip, false},
		{"_HLS_skip=NO", hls.Directives{}, false},
		{"_HLS_pathway=A&_HLS_msn=7&token=x&token=y", msn(7), false}, // reload.unknown
		{"_HLS_part=0", hls.Directives{}, true},                      // reload.part-no-msn
		{"_HLS_msn=", hls.Directives{}, true},                        // reload.garbage, from here
		{"_HLS_msn=-1", hls.Directives{}, true},
		{"_HLS_msn=%2B1", hls.Directives{}, true},
		{"_HLS_msn=0x10", hls.Directives{}, true},
		{"_HLS_msn=1_0", hls.Directives{}, true},
		{"_HLS_msn=1.5", hls.Directives{}, true},
		{"_HLS_msn=18446744073709551616", hls.Directives{}, true},
		{"_HLS_msn=7&_HLS_part=x", hls.Directives{}, true},
		{"_HLS_msn=7&_HLS_msn=7", hls.Directives{}, true},
		{"_HLS_msn=7&_HLS_part=1&_HLS_part=1", hls.Directives{}, true},
		{"_HLS_skip=YES&_HLS_skip=YES", hls.Directives{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			q, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := hls.ParseDirectives(q)
			if bad := new(hls.BadRequestError); errors.As(err, &bad) != tt.bad || (err != nil) != tt.bad {
				t.Errorf("got %v, want an error: %v", err, tt.bad)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseDirectives(f *testing.F) {
	for _, seed := range []string{"", "_HLS_msn=7&_HLS_part=0&_HLS_skip=YES", "_HLS_part=3", "_HLS_msn=-1", "_HLS_msn=99999999999999999999"} {
		f.Add(seed)
	}
	b, w := begun(f, takeOf(source))
	apply(f, b, append(w[0].segments(20), w[0].part())...)
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		d, err := hls.ParseDirectives(q)
		if bad := new(hls.BadRequestError); err != nil && (!errors.As(err, &bad) || d != hls.Directives{}) {
			t.Fatalf("got %v, %+v", err, d)
		}
		if d.HasPart && !d.HasMSN || !d.HasMSN && d.MSN != 0 || !d.HasPart && d.Part != 0 {
			t.Fatalf("got %+v", d)
		}
		// What was understood says the same again.
		back := url.Values{}
		if d.HasMSN {
			back.Set("_HLS_msn", strconv.FormatUint(d.MSN, 10))
		}
		if d.HasPart {
			back.Set("_HLS_part", strconv.FormatUint(d.Part, 10))
		}
		if d.Skip {
			back.Set("_HLS_skip", "YES")
		}
		if again, err := hls.ParseDirectives(back); err == nil && again != d {
			t.Fatalf("got %+v, want %+v", again, d)
		}
		// Whatever it is, the model answers, refuses or waits.
		if p, err := b.Media(now(), "source", d); (p == nil) == (err == nil) {
			t.Fatalf("got %v and %v", p, err)
		}
	})
}
