package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// blame says in one line what of b's needs is missing, for the test encode of outputs that ended with err.
func blame(ctx context.Context, file string, b Backend, outputs []Output, err error) error {
	n := b.recipe().needs
	if !lists(ctx, file, "-encoders", n.encoder) {
		return fmt.Errorf("%s has no encoder %s: %s", file, n.encoder, n.build)
	}
	inH265 := slices.ContainsFunc(outputs, func(o Output) bool { return o.codec() == CodecH265 })
	if inH265 && !lists(ctx, file, "-encoders", n.hevc) {
		return fmt.Errorf("%s has no encoder %s: install an ffmpeg that was built with it, or leave SUPPORTS_H265 at false", file, n.hevc)
	}
	if n.filter != "" && !lists(ctx, file, "-filters", n.filter) {
		return fmt.Errorf("%s has no filter %s: %s", file, n.filter, n.build)
	}
	if b == Software {
		return fmt.Errorf("%s cannot encode (5.1 or later is needed): %w", file, err)
	}
	why := err.Error()
	what := "the ladder"
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		if line := telling(exit.Lines, n); line != "" {
			why = line
		}
		what = culprit(exit.Lines, outputs)
	}
	return fmt.Errorf("%s cannot encode %s with %s: %s; there must be %s", file, what, n.encoder, why, n.machine)
}

// lists looks for name in one of ffmpeg's lists, whose lines are like " V....D libx264  H.264 / AVC …".
// What cannot be listed counts as there, so that nothing is blamed without proof.
func lists(ctx context.Context, file, list, name string) bool {
	out, err := command(ctx, file, "-hide_banner", "-nostdin", "-loglevel", "error", list).Output()
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == name {
			return true
		}
	}
	return false
}

// outputName finds the number of an output in what ffmpeg says when an encoder cannot be opened: "Error while
// opening encoder for output stream #1:0" before 6.1, and "[vost#1:0/h264_nvenc @ 0x…] Error while opening
// encoder" since.
var outputName = regexp.MustCompile(`(?:output stream #?|vost#)(\d+):\d+`)

// culprit names the rung whose encoder could not be opened, where the lines tell.
func culprit(lines []string, outputs []Output) string {
	for _, line := range lines {
		if m := outputName.FindStringSubmatch(line); m != nil {
			if i, err := strconv.Atoi(m[1]); err == nil && i < len(outputs) {
				return outputs[i].Name()
			}
		}
	}
	return "the ladder"
}

// component is the name in front of a line, such as "[h264_nvenc @ 0x55d0c0a0] ".
var component = regexp.MustCompile(`^(\[[^]]*\] )+`)

// consequences begin lines that only say that something went wrong.
var consequences = []string{
	"Conversion failed!", "Error initializing output stream", "Error while opening encoder", "Error parsing global options",
	"Error initializing complex filters", "Error reinitializing filters", "Failed to inject frame", "Error while processing the decoded data",
	"Error opening output file", "Error opening input",
}

// telling is the line that says why: the first of those that hardware and encoder write, else the last that
// is no mere consequence.
func telling(lines []string, n needs) string {
	for _, line := range lines {
		name := component.FindString(line)
		if strings.Contains(name, "AVHWDevice") || strings.Contains(name, n.encoder) || n.filter != "" && strings.Contains(name, n.filter) {
			if rest := line[len(name):]; !consequence(rest) {
				return rest
			}
		}
	}
	for _, line := range slices.Backward(lines) {
		if rest := component.ReplaceAllString(line, ""); !consequence(rest) {
			return rest
		}
	}
	return ""
}

func consequence(line string) bool {
	return slices.ContainsFunc(consequences, func(s string) bool { return strings.HasPrefix(line, s) })
}
