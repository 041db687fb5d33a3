package ffmpeg

// levels are the limits of H.264 levels (ITU-T H.264, table A-1), lowest first. Frame size is in
// macroblocks, rate in macroblocks per second, bit rate in units of 1000 bits per second for Main.
var levels = []struct {
	name          string
	rate          float64
	size, bitrate int
}{
	{"1.0", 1_485, 99, 64},
	{"1.1", 3_000, 396, 192},
	{"1.2", 6_000, 396, 384},
	{"1.3", 11_880, 396, 768},
	{"2.0", 11_880, 396, 2_000},
	{"2.1", 19_800, 792, 4_000},
	{"2.2", 20_250, 1_620, 4_000},
	{"3.0", 40_500, 1_620, 10_000},
	{"3.1", 108_000, 3_600, 14_000},
	{"3.2", 216_000, 5_120, 20_000},
	{"4.0", 245_760, 8_192, 20_000},
	{"4.1", 245_760, 8_192, 50_000},
	{"4.2", 522_240, 8_704, 50_000},
	{"5.0", 589_824, 22_080, 135_000},
	{"5.1", 983_040, 36_864, 240_000},
	{"5.2", 2_073_600, 36_864, 240_000},
	{"6.0", 4_177_920, 139_264, 240_000},
	{"6.1", 8_355_840, 139_264, 480_000},
	{"6.2", 16_711_680, 139_264, 800_000},
}

// profileOf is the H.264 profile of a rung. Up to 480 lines it is Main, as in the ladders of the field:
// those are the rungs that old phones, televisions and browsers are left with, and all that take fragmented
// MP4 decode Main. Above, High saves bits, and what shows such pictures decodes it.
func profileOf(r Rung) string {
	if r.Height <= 480 {
		return "main"
	}
	return "high"
}

// level is the lowest level that holds a picture of width by height at fps and bitrate (bits per
// second) in profile; the highest one if none does. The second's worth of bits that a rung may buffer fits
// into every level that its rate fits into (table A-1, MaxCPB).
func level(profile string, width, height int, fps float64, bitrate int) string {
	factor := 1000 // cpbBrVclFactor of table A-2: High may have a quarter more bits
	if profile == "high" {
		factor = 1250
	}
	w, h := blocks(width), blocks(height)
	for _, l := range levels {
		// Neither side may be longer than the root of eight frame sizes (A.3.1, items f and g).
		if w*h <= l.size && w*w <= 8*l.size && h*h <= 8*l.size &&
			float64(w*h)*fps <= l.rate && bitrate <= l.bitrate*factor {
			return l.name
		}
	}
	return levels[len(levels)-1].name
}

// blocks is the number of macroblocks along a side of so many pixels.
func blocks(pixels int) int { return (pixels + 15) / 16 }
