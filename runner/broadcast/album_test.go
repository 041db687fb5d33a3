package broadcast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// An albumRig is an album in a bubble, whose stills the test makes.
type albumRig struct {
	*testing.T
	*album
	memory *objstore.Memory
	log    bytes.Buffer // read it only once the album has ended

	mu     sync.Mutex // protects all below
	events []hls.Event
	fail   error // of the next announcements
	posted []uint64
}

// withAlbum runs test on the album of a broadcast in 16:9 that began at tick 900.
func withAlbum(t *testing.T, test func(*albumRig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &albumRig{T: t, memory: &objstore.Memory{}}
		r.album = newAlbum("b", 7, ffmpeg.Source{Width: 320, Height: 180}, r.memory, r.announced, slog.New(slog.NewTextHandler(&r.log, nil)))
		r.onPoster = func(n uint64) { r.posted = append(r.posted, n) }
		r.begin(900)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.run(ctx)
		test(r)
		r.end()
		<-r.done
	})
}

func (r *albumRig) announced(_ context.Context, events ...hls.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.events = append(r.events, events...)
	return nil
}

func (r *albumRig) all() []hls.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events
}

// show has the source show a still of that luma now, which is at a media time, and lets the album take it.
func (r *albumRig) show(at time.Duration, luma uint8) {
	r.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, grey(image.Pt(320, 180), luma, 128), nil); err != nil {
		r.Fatal(err)
	}
	r.offer(ffmpeg.Packet{PTS: 900 + ffmpeg.Ticks(at), Data: b.Bytes()})
	synctest.Wait()
}

// play shows stills at the pace of a source with a keyframe each gop, until a media time.
func (r *albumRig) play(from, to, gop time.Duration) {
	r.Helper()
	for at := from; at < to; at += gop {
		r.show(at, luma(at))
		time.Sleep(gop)
	}
}

func luma(at time.Duration) uint8 { return uint8(at / time.Second) }

// keys are those of the store, sorted.
func (r *albumRig) keys() []string {
	r.Helper()
	var keys []string
	if err := r.memory.List(context.Background(), "", func(o objstore.Object) bool { keys = append(keys, o.Key); return true }); err != nil {
		r.Fatal(err)
	}
	return keys
}

// lumas are those of the small pictures on the newest revision of a sheet.
func (r *albumRig) lumas(number uint64) []int {
	r.Helper()
	var s hls.Sheet
	for _, e := range r.all() {
		if e, ok := e.(hls.Sheet); ok && e.Number == number {
			s = e
		}
	}
	data, err := r.memory.Get(context.Background(), hls.SheetKey("b", number, s.Revision, 7))
	if err != nil {
		r.Fatal(err)
	}
	if int64(len(data)) != s.Size {
		r.Errorf("sheet %d is of %d bytes, announced were %d", number, len(data), s.Size)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		r.Fatal(err)
	}
	var all []int
	for i := range s.Count {
		c := color.GrayModel.Convert(img.At(i%5*s.Width+s.Width/2, i/5*s.Height+s.Height/2)).(color.Gray)
		all = append(all, int(c.Y))
	}
	return all
}

// near compares lumas that went through JPEG twice.
var near = cmp.Comparer(func(a, b int) bool { return a-b <= 1 && b-a <= 1 })

func TestAlbum_AnnouncesWhatIsDurable(t *testing.T) {
	withAlbum(t, func(r *albumRig) {
		r.memory.Delay = func(string) time.Duration { return 100 * time.Millisecond }
		r.show(0, 50)
		if n := len(r.all()); n != 0 {
			t.Fatalf("%d events were announced before anything was stored", n)
		}
		time.Sleep(time.Second)
		want := []hls.Event{
			hls.Poster{Number: 1, Width: 320, Height: 180, Term: 7},
			hls.Sheet{Revision: 1, Interval: 5 * time.Second, Count: 1, Columns: 5, Width: 160, Height: 90, Term: 7},
		}
		sizes := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Size" }, cmp.Ignore())
		if diff := cmp.Diff(want, r.all(), sizes); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"b/poster/1.7.jpg", "b/sheets/0-1.7.jpg"}, r.keys()); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]uint64{1}, r.posted); diff != "" {
			t.Errorf("posters told (-want +got):\n%s", diff)
		}
	})
}

// TestAlbum_Paces plays three minutes and counts what that costs, by GOPs.
func TestAlbum_Paces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		gop              time.Duration
		posters, fewest  int // posters, and stores of sheets
		most             int
		shown            []int // by the first small pictures, in seconds
		firstPictureFrom time.Duration
	}{
		{gop: 2 * time.Second, posters: 18, fewest: 16, most: 20, shown: []int{0, 6, 10, 16, 20, 26}},
		{gop: 5 * time.Second, posters: 18, fewest: 16, most: 20, shown: []int{0, 5, 10, 15, 20, 25}},
		{gop: 500 * time.Millisecond, posters: 18, fewest: 16, most: 20, shown: []int{0, 5, 10, 15, 20, 25}},
		{gop: 10 * time.Second, posters: 18, fewest: 15, most: 20, shown: []int{0, 10, 10, 20, 20, 30}},
		{gop: 12 * time.Second, posters: 15, fewest: 13, most: 17, shown: []int{0, 12, 12, 24, 24, 36}},
	} {
		t.Run(tt.gop.String(), func(t *testing.T) {
			withAlbum(t, func(r *albumRig) {
				r.play(0, 180*time.Second, tt.gop)
				posters, sheets := 0, 0
				for _, e := range r.all() {
					switch e.(type) {
					case hls.Poster:
						posters++
					case hls.Sheet:
						sheets++
					}
				}
				if posters != tt.posters || sheets < tt.fewest || sheets > tt.most {
					t.Errorf("got %d posters and %d revisions of sheets, want %d, and %d to %d", posters, sheets, tt.posters, tt.fewest, tt.most)
				}
				if diff := cmp.Diff(tt.shown, r.lumas(0)[:6], near); diff != "" {
					t.Errorf("the first small pictures are of second (-want +got):\n%s", diff)
				}
				if n := len(r.lumas(0)); n != 25 {
					t.Errorf("the first sheet has %d pictures, want 25: it was full two minutes ago", n)
				}
			})
		})
	}
}

// TestAlbum_DeletesWhatIsSuperseded holds that the bucket keeps a minute of superseded pictures, however
// long the broadcast lasts, and at the end the last poster, the last sheets and next to nothing besides.
func TestAlbum_DeletesWhatIsSuperseded(t *testing.T) {
	withAlbum(t, func(r *albumRig) {
		r.play(0, 10*time.Minute, 5*time.Second)
		posters, sheets := 0, 0
		for _, key := range r.keys() {
			if strings.Contains(key, "/poster/") {
				posters++
			} else {
				sheets++
			}
		}
		// Four full sheets and the one that grows; of the last minute six posters, and revisions as many.
		if posters < 6 || posters > 8 || sheets < 5+4 || sheets > 5+8 {
			t.Errorf("%d posters and %d sheets are in the bucket, want those of the last minute:\n%s", posters, sheets, strings.Join(r.keys(), "\n"))
		}
		r.end()
		<-r.done
		if n := len(r.keys()); n > 6+2 {
			t.Errorf("%d objects are left at the end, want one poster and five sheets, and those just superseded:\n%s", n, strings.Join(r.keys(), "\n"))
		}
		for number := range uint64(5) {
			r.lumas(number) // is there
		}
	})
}

func TestAlbum_TheLastPicturesAreStoredAtTheEnd(t *testing.T) {
	withAlbum(t, func(r *albumRig) {
		r.show(0, 10)
		r.show(5*time.Second, 15) // too early for a revision
		if n := len(r.lumas(0)); n != 1 {
			t.Fatalf("%d pictures are on the sheet, want one: the next revision is due in 10 s", n)
		}
		r.end()
		<-r.done
		if diff := cmp.Diff([]int{10, 15}, r.lumas(0), near); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestAlbum_StillsThatAreLate holds what stands for the steps that no still came for.
func TestAlbum_StillsThatAreLate(t *testing.T) {
	withAlbum(t, func(r *albumRig) {
		r.show(0, 100)
		r.show(3*time.Second, 110) // of a step that has its picture
		r.show(21*time.Second, 121)
		r.show(20*time.Second, 120) // back: left out
		r.show(1000*time.Second, 200)
		r.end()
		<-r.done
		want := []int{100}
		for range 4 {
			want = append(want, 121) // 5, 10, 15 and 20 s
		}
		for len(want) < 25 {
			want = append(want, 200) // no better one came for them
		}
		if diff := cmp.Diff(want, r.lumas(0), near); diff != "" {
			t.Errorf("the first sheet (-want +got):\n%s", diff)
		}
		// 1000 s is the first picture of sheet 8; those between have none.
		if diff := cmp.Diff([]int{200}, r.lumas(8), near); diff != "" {
			t.Errorf("the ninth sheet (-want +got):\n%s", diff)
		}
		for _, e := range r.all() {
			if s, ok := e.(hls.Sheet); ok && (s.Number != 0 && s.Number != 8 || s.Start != time.Duration(s.Number)*125*time.Second) {
				t.Errorf("got %+v", s)
			}
		}
	})
}

// TestAlbum_BucketIsAway has the bucket fail for a minute and a half, across the end of a sheet.
func TestAlbum_BucketIsAway(t *testing.T) {
	withAlbum(t, func(r *albumRig) {
		var mu sync.Mutex
		away := false
		set := func(v bool) { mu.Lock(); away = v; mu.Unlock() }
		r.memory.Fail = func(key string) error {
			mu.Lock()
			defer mu.Unlock()
			if away {
				return errors.New("the bucket is away")
			}
			return nil
		}
		r.play(0, 60*time.Second, 5*time.Second)
		before := len(r.all())
		set(true)
		r.play(60*time.Second, 150*time.Second, 5*time.Second)
		if n := len(r.all()); n != before {
			t.Errorf("%d pictures were announced that are not durable", n-before)
		}
		set(false)
		r.play(150*time.Second, 180*time.Second, 5*time.Second)
		var want []int
		for i := range 25 {
			want = append(want, 5*i)
		}
		if diff := cmp.Diff(want, r.lumas(0), near); diff != "" {
			t.Errorf("the sheet that filled up meanwhile (-want +got):\n%s", diff)
		}
		if n := len(r.lumas(1)); n < 9 {
			t.Errorf("the next sheet has %d pictures, want nine or more", n)
		}
		seen := map[string]bool{}
		for _, e := range r.all() {
			key := fmt.Sprint(e)
			if s, ok := e.(hls.Sheet); ok {
				key = hls.SheetKey("b", s.Number, s.Revision, s.Term)
			}
			if seen[key] {
				t.Errorf("%s was announced twice", key)
			}
			seen[key] = true
		}
		time.Sleep(time.Minute)
		r.end()
		<-r.done
		if n := strings.Count(r.log.String(), "cannot be stored"); n != 1 {
			t.Errorf("got %d warnings, want one:\n%s", n, r.log.String())
		}
		if !strings.Contains(r.log.String(), "can be stored again") {
			t.Errorf("nothing says that it is over:\n%s", r.log.String())
		}
	})
}

// TestAlbum_NeverHoldsUpItsSource offers more stills than an album that hangs in the bucket takes.
func TestAlbum_NeverHoldsUpItsSource(t *testing.T) {
	withAlbum(t, func(r *albumRig) {
		r.memory.Delay = func(string) time.Duration { return time.Hour }
		began := time.Now()
		for i := range 20 {
			r.show(time.Duration(i)*5*time.Second, uint8(i))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("offering took %v, want no time", took)
		}
		r.end()
		<-r.done
		if took := time.Since(began); took > 10*storeTime+picturesTime {
			t.Errorf("the end took %v", took)
		}
		if !strings.Contains(r.log.String(), "stills=15") {
			t.Errorf("want that 15 stills were left out, for one is at work and four wait:\n%s", r.log.String())
		}
	})
}

// TestAlbum_AnnouncingFails leaves no object that nobody knows of.
func TestAlbum_AnnouncingFails(t *testing.T) {
	withAlbum(t, func(r *albumRig) {
		r.fail = errors.New("the feed is full")
		r.show(0, 10)
		if n := len(r.keys()); n != 2 {
			t.Fatalf("%d objects are stored, want two", n)
		}
		time.Sleep(supersededFor + time.Second)
		for _, key := range r.keys() {
			if key == "b/poster/1.7.jpg" || key == "b/sheets/0-1.7.jpg" {
				t.Errorf("%s is left", key)
			}
		}
	})
}

func TestDiscards_AreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &objstore.Memory{Fail: func(string) error { return errors.New("away") }}
		d := discards{store: store, log: slog.New(slog.DiscardHandler)}
		for i := range 3 * maxDiscards {
			d.add(fmt.Sprintf("b/poster/%d.7.jpg", i))
			time.Sleep(10 * time.Second)
			d.sweep(t.Context(), supersededFor)
		}
		if len(d.waiting) != maxDiscards || d.forgotten == 0 {
			t.Errorf("%d wait and %d are forgotten, want a full queue", len(d.waiting), d.forgotten)
		}
	})
}
