package ingest

import "log/slog"

// metadata is what an encoder claims in onMetaData. It is a hint for the log: size, rate and
// channels are taken from the parameter sets.
type metadata struct {
	width, height, frameRate float64
	videoRate, audioRate     float64 // kbit/s
	encoder                  string
}

// parseMetadata reads the AMF0 values "onMetaData", object.
func parseMetadata(b []byte) (metadata, error) {
	values, err := decodeAMF0(b)
	if err != nil {
		return metadata{}, err
	}
	object, _ := argument[map[string]any](values, 1)
	number := func(key string) float64 { v, _ := object[key].(float64); return v }
	encoder, _ := object["encoder"].(string)
	return metadata{
		width:     number("width"),
		height:    number("height"),
		frameRate: number("framerate"),
		videoRate: number("videodatarate"),
		audioRate: number("audiodatarate"),
		encoder:   clip(encoder, 128),
	}, nil
}

// LogValue implements slog.LogValuer.
func (m metadata) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Float64("width", m.width), slog.Float64("height", m.height),
		slog.Float64("framerate", m.frameRate), slog.Float64("video_kbps", m.videoRate),
		slog.Float64("audio_kbps", m.audioRate), slog.String("encoder", m.encoder))
}
