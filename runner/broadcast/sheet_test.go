package broadcast

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// grey is a picture of one luma and one chroma.
func grey(size image.Point, y, c uint8) *image.YCbCr {
	p := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
	for i := range p.Y {
		p.Y[i] = y
	}
	for i := range p.Cb {
		p.Cb[i], p.Cr[i] = c, 255-c
	}
	return p
}

// TestSheet_Composes fills a sheet with pictures that tell their number by their luma, and reads it back
// after each one, as a viewer gets it.
func TestSheet_Composes(t *testing.T) {
	t.Parallel()
	for name, tile := range map[string]image.Point{"landscape": {160, 90}, "portrait": {50, 90}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSheet(3, tile)
			luma := func(i int) uint8 { return uint8(8 * (i + 1)) }
			for n := 1; n <= 25; n++ {
				s.add(grey(tile, luma(n-1), 90))
				data, err := s.encode()
				if err != nil {
					t.Fatal(err)
				}
				img, err := jpeg.Decode(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				if got, want := img.Bounds().Size(), image.Pt(5*tile.X, (n+4)/5*tile.Y); got != want {
					t.Fatalf("with %d pictures the sheet is of %v pixels, want %v", n, got, want)
				}
				for i := range n {
					// The middle, and both corners: of a neighbour there is no more than JPEG's blocks smear.
					origin := image.Pt(i%5*tile.X, i/5*tile.Y)
					for _, at := range []image.Point{{tile.X / 2, tile.Y / 2}, {2, 2}, {tile.X - 3, tile.Y - 3}} {
						c := color.YCbCrModel.Convert(img.At(origin.X+at.X, origin.Y+at.Y)).(color.YCbCr)
						if d := int(c.Y) - int(luma(i)); d < -12 || d > 12 || c.Cb < 60 || c.Cb > 110 {
							t.Errorf("of %d pictures, number %d shows %+v at %v, want a luma of %d", n, i, c, at, luma(i))
						}
					}
				}
			}
			if !s.full() {
				t.Error("a sheet of 25 pictures is not full")
			}
		})
	}
}

func TestShrink_TakesTheMean(t *testing.T) {
	t.Parallel()
	p := image.NewYCbCr(image.Rect(0, 0, 8, 4), image.YCbCrSubsampleRatio420)
	for i := range p.Y {
		p.Y[i] = uint8(10 * (i % 8)) // columns 0, 10, … 70
	}
	copy(p.Cb, []uint8{10, 20, 30, 40, 50, 60, 70, 80})
	got := shrink(p, image.Pt(4, 2))
	if diff := cmp.Diff([]uint8{5, 25, 45, 65, 5, 25, 45, 65}, got.Y); diff != "" {
		t.Errorf("luma (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint8{35, 55}, got.Cb); diff != "" { // of 2 × 2: 10 20 50 60, and 30 40 70 80
		t.Errorf("chroma (-want +got):\n%s", diff)
	}
}

// TestShrink_OfAnySize holds that sizes which do not divide, or are the same, stay within bounds.
func TestShrink_OfAnySize(t *testing.T) {
	t.Parallel()
	for _, from := range []image.Point{{160, 90}, {161, 91}, {641, 359}, {50, 90}, {2, 2}, {1, 1}, {640, 2}} {
		for _, to := range []image.Point{{2, 2}, {50, 90}, {160, 90}, {160, 2}} {
			out := shrink(grey(from, 77, 99), to)
			for _, v := range out.Y {
				if v != 77 {
					t.Fatalf("%v to %v: got a luma of %d, want 77", from, to, v)
				}
			}
			for _, v := range out.Cb {
				if v != 99 {
					t.Fatalf("%v to %v: got a chroma of %d, want 99", from, to, v)
				}
			}
		}
	}
}

func TestDecodeStill_RefusesWhatItWasNotAskedFor(t *testing.T) {
	t.Parallel()
	var black, large bytes.Buffer
	if err := jpeg.Encode(&black, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&large, grey(image.Pt(2048, 1024), 1, 1), nil); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"garbage": []byte("JFIF"), "nothing": nil, "grey": black.Bytes(), "too large": large.Bytes()} {
		if p, err := decodeStill(data); err == nil {
			t.Errorf("%s: got %v", name, p.Bounds())
		}
	}
}
