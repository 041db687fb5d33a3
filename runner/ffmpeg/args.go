package ffmpeg

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// A Backend is what encodes.
type Backend string

// Software is libx264 on the CPU.
const Software Backend = "software"

// CodecH264 is the codec of the source that ffmpeg is given, and of every rung.
const CodecH264 = "h264"

// DefaultSegment is how far apart IDRs are at most when Spec.Segment is zero.
const DefaultSegment = 2 * time.Second

// A Spec says what to encode from what: all that the command line depends on.
type Spec struct {
	Codec   string        // of the source; "" = CodecH264, the only one
	Source  Source        // its size and rate
	Outputs []Output      // as Fit returned them; output i leaves on file descriptor 3+i
	Segment time.Duration // greatest distance of IDRs; 0 = DefaultSegment
	Backend Backend       // "" = Software, the only one
	Stills  *Stills       // pictures as JPEG, on the file descriptor behind the outputs'; nil = none
}

func (s Spec) withDefaults() Spec {
	if s.Codec == "" {
		s.Codec = CodecH264
	}
	if s.Segment == 0 {
		s.Segment = DefaultSegment
	}
	if s.Backend == "" {
		s.Backend = Software
	}
	return s
}

func (s Spec) validate() error {
	var errs []error
	if s.Codec != CodecH264 {
		errs = append(errs, fmt.Errorf("source codec %q: want %q", s.Codec, CodecH264))
	}
	if s.Backend != Software {
		errs = append(errs, fmt.Errorf("transcoding backend %q: want %q", s.Backend, Software))
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
	if s.Stills != nil {
		errs = append(errs, s.Stills.validate())
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
	args := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning",
		"-copyts", "-probesize", "4096", "-analyzeduration", "0",
		"-flags", "low_delay", "-f", "nut", "-i", "pipe:0",
	}
	for i, o := range s.Outputs {
		args = append(args, "-map", "0:v:0")
		args = append(args, encode(s.Source, o, s.Segment)...)
		args = append(args, "-f", "nut", "-write_index", "0", "-flush_packets", "1", "pipe:"+strconv.Itoa(3+i))
	}
	if s.Stills != nil {
		args = append(args, s.Stills.args(3+len(s.Outputs))...)
	}
	return args, nil
}

// encode is the part of an output's arguments that says how its frames are chosen and encoded.
func encode(src Source, o Output, segment time.Duration) []string {
	rate := LeavingRate(src.FPS, o.FPS)
	bits := strconv.Itoa(o.Bitrate)
	return []string{
		"-fps_mode", "passthrough", "-enc_time_base", "-1",
		"-vf", filters(o),
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency",
		"-profile:v", "high", "-level:v", level(o.Width, o.Height, rate, o.Bitrate), "-pix_fmt", "yuv420p",
		"-threads", strconv.Itoa(sliceThreads(o, rate)),
		"-g", strconv.Itoa(GOP(src, o, segment)), "-sc_threshold", "0", "-force_key_frames", "source",
		"-b:v", bits, "-maxrate", bits, "-bufsize", bits,
		"-x264-params", fmt.Sprintf("fps=%.3f", rate),
	}
}

// filters is the filter chain of an output.
func filters(o Output) string {
	scale := fmt.Sprintf("scale=%d:%d:flags=bicubic,setsar=1", o.Width, o.Height)
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

// sliceThreads is how many threads encode a frame of o together, each a slice of it, as zerolatency has no
// frame threads: one for each 720p30's worth of macroblocks, as slices cost bits in small pictures.
func sliceThreads(o Output, rate float64) int {
	const worth, most = 108_000, 4
	perSecond := float64(blocks(o.Width)*blocks(o.Height)) * rate
	return min(1+int(perSecond/(worth+1)), most)
}
