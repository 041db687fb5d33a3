package hls_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// sheet is a revision of a sheet of 16:9 pictures, 5 s apart.
func sheet(number, revision uint64, count int) hls.Sheet {
	return hls.Sheet{
		Number: number, Revision: revision, Start: time.Duration(number) * 125 * time.Second, Interval: 5 * time.Second,
		Count: count, Columns: hls.SheetColumns, Width: 160, Height: 90, Size: 1000, Term: 7,
	}
}

// TestStoryboard_Golden shows a live server's storyboard and a replay's, of a broadcast that lasts for
// more than an hour, and of one in portrait.
func TestStoryboard_Golden(t *testing.T) {
	t.Parallel()
	b, _ := begun(t, takeOf(source, sound))
	apply(t, b, sheet(0, 9, 25), sheet(1, 3, 7))
	live, err := b.Storyboard()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "storyboard_live", live.Text())

	portrait := sheet(29, 4, 3)
	portrait.Width = 50
	golden(t, "storyboard_replay", hls.Storyboard([]hls.Sheet{portrait}, func(s hls.Sheet) string {
		return strings.TrimPrefix(hls.SheetKey("x", s.Number, s.Revision, s.Term), "x/")
	}))
}

// TestPictures_TheNewestCount gives pictures in and out of order.
func TestPictures_TheNewestCount(t *testing.T) {
	t.Parallel()
	poster := func(number, term uint64) hls.Poster { return hls.Poster{Number: number, Term: term} }
	of := func(s hls.Sheet, term uint64) hls.Sheet { s.Term = term; return s }
	tests := []struct {
		name          string
		events        []hls.Event
		poster, sheet string // "" = none; the sheet is number 0
		full          bool
	}{
		{name: "none"},
		{name: "the first", events: []hls.Event{poster(1, 7), sheet(0, 1, 1)}, poster: "01JD/poster/1.7.jpg", sheet: "01JD/sheets/0-1.7.jpg"},
		{
			name: "later ones", events: []hls.Event{poster(1, 7), sheet(0, 1, 1), poster(3, 7), sheet(0, 4, 25)},
			poster: "01JD/poster/3.7.jpg", sheet: "01JD/sheets/0-4.7.jpg", full: true,
		},
		{
			name: "repeated ones", events: []hls.Event{poster(3, 7), sheet(0, 4, 9), poster(3, 7), poster(2, 7), sheet(0, 4, 9), sheet(0, 3, 7)},
			poster: "01JD/poster/3.7.jpg", sheet: "01JD/sheets/0-4.7.jpg",
		},
		{
			name: "of a term that counts anew", events: []hls.Event{poster(3, 7), sheet(0, 4, 9), poster(1, 8), of(sheet(0, 1, 12), 8), poster(4, 7)},
			poster: "01JD/poster/1.8.jpg", sheet: "01JD/sheets/0-1.8.jpg",
		},
		{
			name: "nonsense is passed over", events: []hls.Event{
				poster(0, 9), hls.Sheet{}, sheet(0, 1, 26), sheet(0, 1, 0), hls.Sheet{Number: 0, Count: 1, Columns: 1, Width: 1, Height: 1},
			},
		},
		{
			name: "behind the end", events: []hls.Event{hls.End{}, poster(1, 7), sheet(0, 1, 1)},
			poster: "01JD/poster/1.7.jpg", sheet: "01JD/sheets/0-1.7.jpg",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, _ := begun(t, takeOf(source, sound))
			apply(t, b, tt.events...)
			key, err := b.Poster()
			if key != tt.poster || (tt.poster == "") != errors.Is(err, hls.ErrNotFound) {
				t.Errorf("got poster %q, %v, want %q", key, err, tt.poster)
			}
			key, full, err := b.Sheet(0)
			if key != tt.sheet || full != tt.full || (tt.sheet == "") != errors.Is(err, hls.ErrNotFound) {
				t.Errorf("got sheet %q, full %v, %v, want %q, %v", key, full, err, tt.sheet, tt.full)
			}
		})
	}
}

func TestPictures_BeforeTheTakeAreNothing(t *testing.T) {
	t.Parallel()
	b := hls.NewBroadcast(broadcast)
	apply(t, b, hls.Poster{Number: 1}, sheet(0, 1, 1))
	apply(t, b, takeOf(source, sound)) // closes what waits for it: once
	if _, err := b.Poster(); !errors.Is(err, hls.ErrNotFound) {
		t.Errorf("got %v of a poster that came before the take, want ErrNotFound", err)
	}
}

// TestPictures_SlideWithTheWindow has a window of ten minutes: five sheets, less one that lies half in it.
func TestPictures_SlideWithTheWindow(t *testing.T) {
	t.Parallel()
	b, _ := begun(t, sliding(takeOf(source, sound), 10*time.Minute))
	for n := range uint64(20) {
		apply(t, b, sheet(n, 1, 10), sheet(n, 2, 25))
	}
	list, err := b.Storyboard()
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(20) {
		name := fmt.Sprintf("/sheets/%d-2.jpg#", n)
		if got, want := strings.Contains(string(list.Text()), name), n >= 15; got != want {
			t.Errorf("sheet %d of 20: listed %v, want %v", n, got, want)
		}
		if _, _, err := b.Sheet(n); (err == nil) != (n >= 10) {
			t.Errorf("sheet %d of 20: got %v; want those of two windows to be known", n, err)
		}
	}
}

// TestStoryboard_IsSharedUntilItChanges holds that all who ask for one state share its bytes.
func TestStoryboard_IsSharedUntilItChanges(t *testing.T) {
	t.Parallel()
	b, w := begun(t, takeOf(source, sound))
	apply(t, b, sheet(0, 1, 1))
	first, err := b.Storyboard()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, b, append(w[0].segments(1), hls.Poster{Number: 1}, sheet(0, 1, 1))...)
	if again, _ := b.Storyboard(); again != first {
		t.Error("the storyboard was rendered again though no sheet has changed")
	}
	apply(t, b, sheet(0, 2, 3))
	if again, _ := b.Storyboard(); again == first {
		t.Error("the storyboard does not show the new revision")
	}
}
