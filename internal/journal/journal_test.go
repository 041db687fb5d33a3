package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/objstore"
)

const id = "01JD0000000000000000000000"

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func take(next ...uint64) hls.Take {
	t := hls.Take{TargetDuration: 4 * time.Second, PartTarget: 350 * time.Millisecond, Window: time.Minute, Anchor: began}
	for i, name := range []string{"source", "audio"} {
		r := hls.Rendition{Name: name, Kind: hls.Kind(i + 1), Codecs: "x"}
		if i < len(next) {
			r.NextMSN = next[i]
		}
		t.Renditions = append(t.Renditions, r)
	}
	return t
}

func segment(rendition int, msn, term uint64) hls.Segment {
	return hls.Segment{
		Rendition: rendition, MSN: msn, Start: time.Duration(msn) * 2 * time.Second, Duration: 2 * time.Second,
		Size: 100, Init: "aa", Term: term,
	}
}

func object(term, number uint64, events ...hls.Event) journal.Object {
	return journal.Object{Broadcast: id, Channel: "news", Started: began, Term: term, Number: number, Events: events}
}

func TestObject_ComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s := segment(1, 3, 7)
	s.Gap, s.Discontinuity = true, true
	want := object(7, 2, take(), segment(0, 1, 7), s, hls.End{Reason: "the streamer stopped"})
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := journal.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want, got := id+"/journal/7-2.json", want.Key(); got != want {
		t.Errorf("got key %s, want %s", got, want)
	}
}

func TestDecode_OfOtherBuilds(t *testing.T) {
	t.Parallel()
	if _, err := journal.Decode([]byte(`{"version":2}`)); !errors.Is(err, journal.ErrVersion) {
		t.Errorf("got error %v for a newer version, want ErrVersion", err)
	}
	o, err := journal.Decode([]byte(`{"version":1,"more":1,"entries":[{"hologram":{"number":"1"}},{"end":{"reason":"x","mood":"sad"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]hls.Event{hls.End{Reason: "x"}}, o.Events); diff != "" {
		t.Errorf("unknown kinds and fields are not passed over (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "{}", `{"version":1,"entries":[{"end":7}]}`} {
		if _, err := journal.Decode([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestObject_IsReadableJSON(t *testing.T) {
	t.Parallel()
	data, err := object(7, 0, take()).Encode()
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"version": 1.0, "broadcast": id, "channel": "news", "started": "2026-11-22T12:00:00Z", "term": 7.0} {
		if d[key] != want {
			t.Errorf("got %s %v, want %v", key, d[key], want)
		}
	}
	if !strings.Contains(string(data), `"target_duration_ns"`) {
		t.Errorf("the take cannot be read:\n%s", data)
	}
}

// stored is a bucket with the objects.
func stored(t *testing.T, objects ...journal.Object) *objstore.Memory {
	t.Helper()
	m := &objstore.Memory{}
	for _, o := range objects {
		data, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Put(t.Context(), o.Key(), data, objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// told is what a journal has of each rendition: msn and term.
func told(j *journal.Journal) []string {
	all := make([]string, len(j.Segments))
	for i, segments := range j.Segments {
		for _, s := range segments {
			all[i] += fmt.Sprintf(" %d.%d", s.MSN, s.Term)
			if s.Rendition != i {
				all[i] += "!"
			}
		}
	}
	return all
}

func TestRead(t *testing.T) {
	t.Parallel()
	swapped := take(2, 1) // the source goes on with 2, the sound with 1
	swapped.Renditions[0], swapped.Renditions[1] = swapped.Renditions[1], swapped.Renditions[0]
	tests := []struct {
		name    string
		objects []journal.Object
		want    []string
		ended   bool
		term    uint64
		next    uint64
	}{
		{
			name: "objects of a term, in order of their numbers", term: 7, next: 11,
			objects: []journal.Object{
				object(7, 10, segment(0, 2, 7)), object(7, 2, segment(0, 1, 7), segment(1, 0, 7)), object(7, 0, take(), segment(0, 0, 7)),
			},
			want: []string{" 0.7 1.7 2.7", " 0.7"},
		},
		{
			name: "an end", term: 7, next: 1, ended: true,
			objects: []journal.Object{object(7, 0, take(), segment(0, 0, 7), hls.End{})},
			want:    []string{" 0.7", ""},
		},
		{
			name: "a later term wins beyond its take", term: 12, next: 1,
			objects: []journal.Object{
				object(7, 0, take(), segment(0, 0, 7), segment(0, 1, 7), segment(1, 0, 7), segment(1, 1, 7)),
				object(7, 1, segment(0, 2, 7), segment(1, 2, 7)), // written when it was fenced
				object(12, 0, take(2, 1), segment(0, 2, 12), segment(1, 1, 12)),
			},
			want: []string{" 0.7 1.7 2.12", " 0.7 1.12"},
		},
		{
			name: "what a fenced term wrote beyond the take of an end does not count", term: 12, next: 1, ended: true,
			objects: []journal.Object{
				object(7, 0, take(), segment(0, 0, 7), segment(0, 1, 7), segment(1, 0, 7)), object(12, 0, take(1, 1), hls.End{}),
			},
			want: []string{" 0.7", " 0.7"},
		},
		{
			name: "an end that a later term went on behind is none", term: 12, next: 1,
			objects: []journal.Object{object(7, 0, take(), hls.End{}), object(12, 0, take())},
			want:    []string{"", ""},
		},
		{
			name: "a fenced writer's end is none", term: 12, next: 1, ended: true,
			objects: []journal.Object{object(7, 0, take()), object(7, 1, hls.End{Reason: "fenced"}), object(12, 0, hls.End{})},
			want:    []string{"", ""},
		},
		{
			name: "terms may order renditions as they like", term: 12, next: 1,
			objects: []journal.Object{object(7, 0, take(), segment(0, 0, 7), segment(0, 1, 7), segment(1, 0, 7)), object(12, 0, swapped, segment(0, 1, 12), segment(1, 2, 12))},
			want:    []string{" 0.7 1.7 2.12", " 0.7 1.12"},
		},
		{
			name: "a segment that is there twice counts once, as it was said last", term: 7, next: 2,
			objects: []journal.Object{object(7, 0, take(), segment(0, 0, 7)), object(7, 1, segment(0, 0, 8))},
			want:    []string{" 0.8", ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j, err := journal.Read(t.Context(), stored(t, tt.objects...), id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, told(j)); diff != "" {
				t.Errorf("segments (-want +got):\n%s", diff)
			}
			if j.Ended != tt.ended || j.Term != tt.term || j.Next != tt.next || j.Channel != "news" || !j.Started.Equal(began) {
				t.Errorf("got ended %v, term %d, next %d, channel %s, started %v", j.Ended, j.Term, j.Next, j.Channel, j.Started)
			}
			if j.Newest.IsZero() {
				t.Error("got no time of the newest object")
			}
		})
	}
}

func TestRead_WhatCannotBeRead(t *testing.T) {
	t.Parallel()
	if _, err := journal.Read(t.Context(), &objstore.Memory{}, id); !errors.Is(err, journal.ErrNone) {
		t.Errorf("got error %v without a journal, want ErrNone", err)
	}
	if _, err := journal.Read(t.Context(), stored(t, object(7, 1, segment(0, 0, 7))), id); err == nil {
		t.Error("a journal without its take was read")
	}
	m := stored(t, object(7, 0, take()))
	if err := m.Put(t.Context(), id+"/journal/8-0.json", []byte(`{"version":9}`), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Read(t.Context(), m, id); !errors.Is(err, journal.ErrVersion) {
		t.Errorf("got error %v for a newer version's object, want ErrVersion", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := journal.Read(ctx, m, id); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v after the end of the context, want its cause", err)
	}
}
