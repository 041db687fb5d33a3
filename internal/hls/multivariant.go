package hls

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// firstBandwidth is the bit rate of the variant that is listed first.
const firstBandwidth = 2_000_000

// Multivariant is the playlist of all renditions. It waits until each of them has
// a part, and is the same from then on: what it says is fixed by the first Take.
//
// Errors: ErrNotFound when the broadcast ended without a part in some rendition;
// the cause of ctx.
func (b *Broadcast) Multivariant(ctx context.Context) (*Playlist, error) {
	select {
	case <-b.ready:
	default:
		select {
		case <-b.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.multivariant == nil {
		return nil, fmt.Errorf("broadcast ended before all its renditions began: %w", ErrNotFound)
	}
	return b.multivariant, nil
}

// renderMultivariant lists one audio group, in every variant, and the video
// renditions; without video, the audio renditions themselves.
//
// The order is highest first, but for the variant nearest to 2 Mbit/s, which
// leads: the first is what players begin with, before they have measured anything
// (Apple's rule 1.32; hls.js's firstLevel). What plays everywhere comes before
// H.265, and leads in any case.
//
// There is no LANGUAGE but "und": Apple's rule 8.10 wants the attribute, and an
// encoder does not say. VERSION is the least that is needed (section 8).
func renderMultivariant(broadcast string, renditions []Rendition) []byte {
	var audio, video []Rendition
	for _, r := range renditions {
		if r.Kind == Audio {
			audio = append(audio, r)
		} else {
			video = append(video, r)
		}
	}
	var t strings.Builder
	t.WriteString("#EXTM3U\n#EXT-X-VERSION:1\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	if len(video) == 0 {
		video, audio = audio, nil
	}
	for i, a := range audio {
		writeAudio(&t, broadcast, a, i == 0)
	}
	order(video)
	ranges := slices.ContainsFunc(video, func(v Rendition) bool { return v.videoRange() != SDR })
	for _, v := range video {
		writeVariant(&t, broadcast, v, audio, ranges)
	}
	return []byte(t.String())
}

func order(variants []Rendition) {
	slices.SortStableFunc(variants, func(a, b Rendition) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.Bandwidth, a.Bandwidth))
	})
	nearest := 0
	for i := range variants {
		if variants[i].rank() == variants[0].rank() && distance(variants[i]) < distance(variants[nearest]) {
			nearest = i
		}
	}
	first := variants[nearest]
	copy(variants[1:nearest+1], variants[:nearest])
	variants[0] = first
}

// rank is 0 for codecs that play everywhere, and 1 for H.265. Players of old take
// the first variant, and do not get beyond one that they cannot decode.
func (r Rendition) rank() int {
	if strings.HasPrefix(r.Codecs, "hvc1.") {
		return 1
	}
	return 0
}

func distance(r Rendition) int { return max(r.Bandwidth-firstBandwidth, firstBandwidth-r.Bandwidth) }

func writeAudio(t *strings.Builder, broadcast string, a Rendition, first bool) {
	isDefault := "NO"
	if first {
		isDefault = "YES"
	}
	fmt.Fprintf(t, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=%q,LANGUAGE=\"und\",DEFAULT=%s,AUTOSELECT=YES", a.Name, isDefault)
	if a.Channels > 0 {
		fmt.Fprintf(t, ",CHANNELS=\"%d\"", a.Channels)
	}
	fmt.Fprintf(t, ",URI=%q\n", mediaURI(broadcast, a.Name))
}

// writeVariant adds the dearest of the audio group to the variant's own bit rate,
// and the codecs of all of it (4.4.6.2). VIDEO-RANGE stands in all variants or, where
// every one is SDR, in none (Apple's rule 9.16).
func writeVariant(t *strings.Builder, broadcast string, v Rendition, audio []Rendition, ranges bool) {
	peak, average, codecs := 0, 0, []string{v.Codecs}
	for _, a := range audio {
		peak, average = max(peak, a.Bandwidth), max(average, a.AverageBandwidth)
		if !slices.Contains(codecs, a.Codecs) {
			codecs = append(codecs, a.Codecs)
		}
	}
	fmt.Fprintf(t, "#EXT-X-STREAM-INF:BANDWIDTH=%d", v.Bandwidth+peak)
	if v.AverageBandwidth > 0 {
		fmt.Fprintf(t, ",AVERAGE-BANDWIDTH=%d", v.AverageBandwidth+average)
	}
	fmt.Fprintf(t, ",CODECS=%q", strings.Join(codecs, ","))
	if v.Width > 0 && v.Height > 0 {
		fmt.Fprintf(t, ",RESOLUTION=%dx%d", v.Width, v.Height)
	}
	if v.FrameRate > 0 {
		fmt.Fprintf(t, ",FRAME-RATE=%.3f", v.FrameRate)
	}
	if ranges {
		fmt.Fprintf(t, ",VIDEO-RANGE=%s", v.videoRange())
	}
	if len(audio) > 0 {
		t.WriteString(",AUDIO=\"audio\"")
	}
	fmt.Fprintf(t, "\n%s\n", mediaURI(broadcast, v.Name))
}

// videoRange is VIDEO-RANGE, which is SDR where nothing is said (4.4.6.2).
func (r Rendition) videoRange() string { return cmp.Or(r.VideoRange, SDR) }

func mediaURI(broadcast, rendition string) string {
	return "/hls/" + broadcast + "/" + rendition + "/index.m3u8"
}
