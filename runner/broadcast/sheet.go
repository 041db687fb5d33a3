package broadcast

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/pharos-live/pharos/internal/hls"
)

// sheetQuality is that of a sheet's JPEG, of 100: small pictures of 4 kB or so.
const sheetQuality = 70

// A sheet is the canvas of small pictures that fills up, row by row.
//
// It is kept and drawn on as JPEG has it, in planes of luma and quartered chroma:
// no colour is converted on the way from one JPEG to the other.
type sheet struct {
	number uint64
	tile   image.Point // even
	canvas *image.YCbCr
	count  int
}

func newSheet(number uint64, tile image.Point) *sheet {
	size := image.Rect(0, 0, hls.SheetColumns*tile.X, hls.SheetPictures/hls.SheetColumns*tile.Y)
	return &sheet{number: number, tile: tile, canvas: image.NewYCbCr(size, image.YCbCrSubsampleRatio420)}
}

func (s *sheet) full() bool { return s.count == hls.SheetPictures }

// add draws the next picture, which is of the tile's size. The sheet is not full.
func (s *sheet) add(picture *image.YCbCr) {
	at := image.Pt(s.count%hls.SheetColumns*s.tile.X, s.count/hls.SheetColumns*s.tile.Y)
	for y := range s.tile.Y {
		from, to := picture.YOffset(0, y), s.canvas.YOffset(at.X, at.Y+y)
		copy(s.canvas.Y[to:to+s.tile.X], picture.Y[from:])
	}
	for y := 0; y < s.tile.Y; y += 2 {
		from, to := picture.COffset(0, y), s.canvas.COffset(at.X, at.Y+y)
		copy(s.canvas.Cb[to:to+s.tile.X/2], picture.Cb[from:])
		copy(s.canvas.Cr[to:to+s.tile.X/2], picture.Cr[from:])
	}
	s.count++
}

// encode gives the rows that have pictures.
func (s *sheet) encode() ([]byte, error) {
	rows := (s.count + hls.SheetColumns - 1) / hls.SheetColumns
	var b bytes.Buffer
	part := s.canvas.SubImage(image.Rect(0, 0, hls.SheetColumns*s.tile.X, rows*s.tile.Y))
	if err := jpeg.Encode(&b, part, &jpeg.Options{Quality: sheetQuality}); err != nil {
		return nil, fmt.Errorf("encode sheet %d: %w", s.number, err)
	}
	return b.Bytes(), nil
}

// maxStill bounds the pictures that are decoded, in pixels: what ffmpeg was asked
// for is far smaller.
const maxStill = 1 << 20

var errStill = errors.New("not a picture as it was asked for")

// decodeStill reads what ffmpeg makes: JPEG in 4:2:0.
func decodeStill(b []byte) (*image.YCbCr, error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read a still: %w", err)
	}
	if c.Width*c.Height > maxStill {
		return nil, fmt.Errorf("read a still of %d by %d pixels: %w", c.Width, c.Height, errStill)
	}
	decoded, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read a still: %w", err)
	}
	picture, ok := decoded.(*image.YCbCr)
	if !ok || picture.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		return nil, fmt.Errorf("read a still: %w", errStill)
	}
	return picture, nil
}

// shrink scales a picture to a size, which is even and not larger: each pixel is
// the mean of those that it covers.
func shrink(picture *image.YCbCr, size image.Point) *image.YCbCr {
	out := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
	b := picture.Bounds()
	full, half := b.Size(), image.Pt((b.Dx()+1)/2, (b.Dy()+1)/2)
	halfSize := size.Div(2)
	plane{out.Y, out.YStride, size}.shrink(plane{picture.Y[picture.YOffset(b.Min.X, b.Min.Y):], picture.YStride, full})
	chroma := picture.COffset(b.Min.X, b.Min.Y)
	plane{out.Cb, out.CStride, halfSize}.shrink(plane{picture.Cb[chroma:], picture.CStride, half})
	plane{out.Cr, out.CStride, halfSize}.shrink(plane{picture.Cr[chroma:], picture.CStride, half})
	return out
}

// A plane is one component of a picture.
type plane struct {
	pix    []uint8
	stride int
	size   image.Point
}

// shrink fills p with what from shows.
func (p plane) shrink(from plane) {
	for y := range p.size.Y {
		top, bottom := covered(y, p.size.Y, from.size.Y)
		for x := range p.size.X {
			left, right := covered(x, p.size.X, from.size.X)
			sum := 0
			for row := top; row < bottom; row++ {
				for _, v := range from.pix[row*from.stride+left : row*from.stride+right] {
					sum += int(v)
				}
			}
			n := (right - left) * (bottom - top)
			p.pix[y*p.stride+x] = uint8((sum + n/2) / n)
		}
	}
}

// covered is which of from pixels the i-th of to stands for: at least one.
func covered(i, to, from int) (first, end int) {
	first = min(i*from/to, from-1)
	return first, max((i+1)*from/to, first+1)
}
