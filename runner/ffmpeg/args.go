package ffmpeg

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// The codecs of the source that ffmpeg is given, and of rungs.
const (
	CodecH264 = "h264"
	CodecH265 = "h265"
)

// DefaultSegment is how far apart IDRs are at most when Spec.Segment is zero.
const DefaultSegment = 2 * time.Second

// A Spec says what to encode from what: all that the command line depends on.
type Spec struct {
	Codec   string        // of the source: CodecH264 or CodecH265; "" = CodecH264
	Source  Source        // its size and rate
	Outputs []Output      // as Fit returned them; output i leaves on file descriptor 3+i
	Segment time.Duration // greatest distance of IDRs; 0 = DefaultSegment
	Backend Backend       // "" = Software; not Auto, which Choose resolves
	Stills  *Stills       // pictures as JPEG, on the file descriptor behind the outputs'; nil = none
}

func (s Spec) withDefaults() Spec {
	s.Codec = cmp.Or(s.Codec, CodecH264)
	s.Segment = cmp.Or(s.Segment, DefaultSegment)
	s.Backend = cmp.Or(s.Backend, Software)
	return s
}

func (s Spec) validate() error {
	var errs []error
	if !isCodec(s.Codec) {
		errs = append(errs, fmt.Errorf("source codec %q: want %q or %q", s.Codec, CodecH264, CodecH265))
	}
	if !slices.Contains(Backends(), s.Backend) {
		errs = append(errs, fmt.Errorf("transcoding backend %q: want one of %q", s.Backend, Backends()))
	}
	if s.Segment < 0 {
		errs = append(errs, fmt.Errorf("segment of %v: want a positive time", s.Segment))
	}
	if s.Source.Width <= 0 || s.Source.Height <= 0 {
		errs = append(errs, fmt.Errorf("source of %d by %d pixels: want its size", s.Source.Width, s.Source.Height))
	}
	if len(s.Outputs) == 0 && s.Stills == nil {
		errs = append(errs, errors.New("no outputs: there is nothing to encode"))
	}
	for _, o := range s.Outputs {
		if !isCodec(o.codec()) {
			errs = append(errs, fmt.Errorf("codec %q of %s: want %q or %q", o.Codec, o.Name(), CodecH264, CodecH265))
		}
	}
	if s.Stills != nil {
		errs = append(errs, s.Stills.validate())
	}
	if r := s.Backend.recipe(); r.check != nil && errors.Join(errs...) == nil {
		errs = append(errs, r.check(s))
	}
	return errors.Join(errs...)
}

// Args is the argument list of ffmpeg for s, without the program's name: NUT in on standard input,
// one NUT per output on the file descriptors from 3. Doc.go has the reasons.
func Args(s Spec) ([]string, error) {
	s = s.withDefaults()
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(s.Outputs) == 0 {
		return stillsOnlyArgs(*s.Stills), nil
	}
	r := s.Backend.recipe()
	args := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning",
		"-copyts", "-probesize", "4096", "-analyzeduration", "0",
	}
	args = append(args, r.device...)
	args = append(args, "-flags", "low_delay", "-f", "nut", "-i", "pipe:0")
	if r.graph != nil {
		args = append(args, "-filter_complex", r.graph(s))
	}
	for i, o := range s.Outputs {
		if r.graph != nil {
			args = append(args, "-map", fmt.Sprintf("[v%d]", i))
		} else {
			args = append(args, "-map", "0:v:0")
		}
		args = append(args, r.passing...)
		if r.filters != nil {
			args = append(args, "-vf", r.filters(o))
		}
		args = append(args, r.encoder(s, o)...)
		args = append(args, "-f", "nut", "-write_index", "0", "-flush_packets", "1", "pipe:"+strconv.Itoa(3+i))
	}
	if s.Stills != nil {
		args = append(args, s.Stills.args(r.passing, r.download, 3+len(s.Outputs))...)
	}
	return args, nil
}

// passing keeps every timestamp that ffmpeg is given.
var passing = []string{"-fps_mode", "passthrough", "-enc_time_base", "-1"}

// chain is the filter chain of an output: frames are chosen before anything is done with them, and
// what scales them comes behind.
func chain(o Output, scale string) string {
	if !o.Decimate {
		return scale
	}
	return selectExpr(o.FPS) + "," + scale
}

// selectExpr keeps keyframes, and frames at least minGap behind the last one kept. The threshold
// lies half a tick lower, where no difference of two timestamps can be, so that the rounding of
// ffmpeg's arithmetic decides nothing and IDRPredictor agrees with it.
func selectExpr(fps int) string {
	threshold := (float64(minGap(fps)) - 0.5) / TimeScale
	return fmt.Sprintf(`select=if(key\,1\,gte(t-prev_selected_t\,%.9f))`, threshold)
}

// keyframes are the options by which IDRs come at the source's keyframes, and gop frames behind the last.
func keyframes(s Spec, o Output) []string {
	return []string{"-g", strconv.Itoa(GOP(s.Source, o, s.Segment)), "-force_key_frames", "source"}
}

// declaredRate is the frame rate, in frames per second, that the input's header tells ffmpeg.
func (s Spec) declaredRate() float64 {
	if s.Source.FPS == 0 && len(s.Outputs) > 0 {
		return float64(s.Outputs[0].FPS)
	}
	return s.Source.FPS
}

// bits are the options for o's bit rate where the encoder takes the input's declared rate for its own.
// Select leaves that as it was, and no option of ffmpeg changes it without touching timestamps; an
// encoder that shares bits out per frame, and gets every second frame only, is therefore asked for twice
// the rate. Its buffer stays one second's worth of what really comes out.
func (s Spec) bits(o Output) (rate, buffer string) {
	share := s.declaredRate() / LeavingRate(s.Source.FPS, o.FPS)
	return strconv.Itoa(int(math.Round(float64(o.Bitrate) * share))), strconv.Itoa(o.Bitrate)
}
