package packager

import "testing"

// SilentFile is an MP4 file of n silent frames in the format that asc says.
func SilentFile(t *testing.T, asc []byte, n int) []byte {
	t.Helper()
	f, err := newAudioFormat("b", asc)
	if err != nil {
		t.Fatal(err)
	}
	samples := make([]fragmentSample, n)
	for i := range samples {
		samples[i] = fragmentSample{dts: int64(i) * f.samples, duration: f.samples, data: f.silence}
	}
	return append(f.init.body, writeFragment(1, false, samples)...)
}
