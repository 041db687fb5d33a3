package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// frames60 are the places of n frames at 60 per second in whole milliseconds, as FLV has them.
func frames60(n int) []time.Duration {
	places := make([]time.Duration, n)
	for i := range places {
		places[i] = (time.Duration(i) * time.Second / 60).Round(time.Millisecond)
	}
	return places
}

func TestLastFrames(t *testing.T) {
	t.Parallel()
	const third = time.Second / 3
	tests := []struct {
		name   string
		places []time.Duration
		ends   []time.Duration
		want   []int
	}{
		{"twenty frames to a part", frames60(61), []time.Duration{third, 2 * third, time.Second}, []int{19, 39, 59}},
		{
			"ends may be rounded either way", frames60(61),
			[]time.Duration{third - 2*time.Millisecond, 2*third + 2*time.Millisecond, time.Second + time.Millisecond},
			[]int{19, 39, 59},
		},
		{"a part that nothing follows may go on", frames60(60), []time.Duration{third, 2 * third, time.Second}, []int{19, 39, -1}},
		{"parts of unequal length", frames60(61), []time.Duration{200 * time.Millisecond, 550 * time.Millisecond}, []int{11, 32}},
		{"no frames", nil, []time.Duration{third}, []int{-1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, lastFrames(tt.places, tt.ends)); diff != "" {
				t.Errorf("last frames (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPartEnds_AreSumsWithoutHoles(t *testing.T) {
	t.Parallel()
	ends, ok := partEnds([]listedPart{{0, 300}, {1, 350}, {2, 1}})
	if want := []time.Duration{300, 650, 651}; !ok || !cmp.Equal(ends, want) {
		t.Errorf("got %v, %v, want %v", ends, ok, want)
	}
	for name, parts := range map[string][]listedPart{
		"a late beginning": {{1, 300}},
		"a hole":           {{0, 300}, {2, 300}},
	} {
		if _, ok := partEnds(parts); ok {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestFollower_CountsOnlyWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	var f follower
	f.take(playlist{parts: []listedPart{{0, 1}, {1, 1}}}, began)
	f.take(playlist{parts: []listedPart{{0, 1}, {1, 1}, {2, 1}}}, began.Add(time.Second))
	f.take(playlist{parts: []listedPart{{2, 1}}}, began.Add(2*time.Second)) // nothing new
	if f.known != 2 || len(f.parts) != 3 {
		t.Fatalf("got %d parts, %d of them known before, want 3 and 2", len(f.parts), f.known)
	}
	if want := began.Add(time.Second); !f.at[2].Equal(want) {
		t.Errorf("part 2 was seen at %v, want %v", f.at[2], want)
	}
}
