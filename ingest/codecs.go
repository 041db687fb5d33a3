package ingest

import "fmt"

// videoCodecName names an FLV video codec id (E.4.3.1, and what some encoders send besides).
func videoCodecName(id byte) string {
	switch id {
	case 2:
		return "Sorenson H.263"
	case 3:
		return "Screen Video"
	case 4:
		return "On2 VP6"
	case 5:
		return "On2 VP6 with alpha"
	case 6:
		return "Screen Video 2"
	case 7:
		return nameH264
	case 12: // not Adobe's: agreed upon among content delivery networks
		return nameHEVC
	case 13:
		return "AV1"
	default:
		return fmt.Sprintf("with FLV id %d", id)
	}
}

// audioCodecName names an FLV sound format (E.4.2.1).
func audioCodecName(format byte) string {
	switch format {
	case 0, 3:
		return "PCM"
	case 1:
		return "ADPCM"
	case 2, 14:
		return "MP3"
	case 4, 5, 6:
		return "Nellymoser"
	case 7:
		return "G.711 A-law"
	case 8:
		return "G.711 mu-law"
	case 11:
		return "Speex"
	case 13:
		return "Opus"
	default:
		return fmt.Sprintf("with FLV id %d", format)
	}
}

// fourCCName names a codec of enhanced RTMP.
func fourCCName(code string) string {
	switch code {
	case "avc1":
		return nameH264
	case "hvc1":
		return nameHEVC
	case "av01":
		return "AV1"
	case "vp08":
		return "VP8"
	case "vp09":
		return "VP9"
	case "vvc1":
		return "VVC"
	case "Opus":
		return "Opus"
	case "fLaC":
		return "FLAC"
	case "ac-3":
		return "AC-3"
	case "ec-3":
		return "E-AC-3"
	case ".mp3":
		return "MP3"
	default:
		return fmt.Sprintf("%q", code)
	}
}

// enhancedFeature names a packet type of enhanced RTMP video that changes what follows.
func enhancedFeature(packet byte) string {
	switch packet {
	case 6:
		return "multitrack"
	default:
		return fmt.Sprintf("packet type %d", packet)
	}
}
