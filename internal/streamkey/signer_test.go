package streamkey_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pharos-live/pharos/internal/streamkey"
)

const (
	theSecret = "0123456789abcdef0123456789abcdef"
	// golden is theSecret's key of channel "my_channel" in generation 0. It may never change: streamers
	// have theirs in OBS. Computed by another implementation of HKDF and HMAC.
	golden = "my_channel_qWwlpNpZ7xzEGP-KYMLDyw"
)

func newSigner(t testing.TB, secret string) *streamkey.Signer {
	t.Helper()
	s, err := streamkey.NewSigner([]byte(secret))
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	return s
}

func TestSigner_KeysNeverChange(t *testing.T) {
	t.Parallel()
	if got := newSigner(t, theSecret).New("my_channel", 0); got != golden {
		t.Errorf("got %s, want %s", got, golden)
	}
}

func TestSigner_VerifiesWhatItMade(t *testing.T) {
	t.Parallel()
	s := newSigner(t, theSecret)
	for _, c := range []streamkey.Channel{"a", "0", "my_channel", "trailing_", "a_b-c_d-", streamkey.Channel(strings.Repeat("x", 63))} {
		for gen := range uint64(200) { // enough for signatures that begin with, end with and contain "_" and "-"
			got, err := s.Verify(s.New(c, gen), gen)
			if got != c || err != nil {
				t.Errorf("Verify of the key of %q in generation %d: %q, %v", c, gen, got, err)
			}
			if got, err := s.Parse(s.New(c, gen)); got != c || err != nil {
				t.Errorf("Parse of the key of %q in generation %d: %q, %v", c, gen, got, err)
			}
		}
	}
}

func TestSigner_RefusesOtherKeys(t *testing.T) {
	t.Parallel()
	s, key := newSigner(t, theSecret), newSigner(t, theSecret).New("channel", 3)
	tests := []struct {
		name string
		key  string
		gen  uint64
	}{
		{"an older generation", key, 4},
		{"a newer generation", key, 2},
		{"another channel's", "other" + strings.TrimPrefix(key, "channel"), 3},
		{"another secret's", newSigner(t, theSecret+"x").New("channel", 3), 3},
		{"no signature", "channel_" + strings.Repeat("A", 22), 3},
	}
	for _, tt := range tests {
		if c, err := s.Verify(tt.key, tt.gen); !errors.Is(err, streamkey.ErrBadSignature) || c != "" {
			t.Errorf("%s: %q, %v, want %v", tt.name, c, err, streamkey.ErrBadSignature)
		}
	}
	// Any bit of the signature.
	sig, err := base64.RawURLEncoding.DecodeString(key[len("channel_"):])
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	for bit := range len(sig) * 8 {
		sig[bit/8] ^= 1 << (bit % 8)
		forged := "channel_" + base64.RawURLEncoding.EncodeToString(sig)
		if _, err := s.Verify(forged, 3); !errors.Is(err, streamkey.ErrBadSignature) {
			t.Errorf("bit %d turned: %v, want %v", bit, err, streamkey.ErrBadSignature)
		}
		sig[bit/8] ^= 1 << (bit % 8)
	}
}

func TestSigner_SaysWhatIsMalformed(t *testing.T) {
	t.Parallel()
	s := newSigner(t, theSecret)
	sig := golden[len("my_channel_"):]
	const form = "; the form is CHANNEL_SIGNATURE"
	tests := []struct{ name, key, want string }{
		{"empty", "", "it is empty"},
		{"only a channel", "my_channel", "it is too short" + form},
		{"only a signature", "_" + sig, "it is too short" + form},
		{"no separator", "channel" + sig, `no "_" stands before the last 22 characters` + form},
		{"short by one", golden[:len(golden)-1], `no "_" stands before the last 22 characters` + form},
		{"too long", strings.Repeat("x", 64) + "_" + sig, "it is too long"},
		{"a long one", strings.Repeat("x", 100000), "it is too long"},
		{"bad channel", "My_channel_" + sig, `channel "My_channel" is not 1 to 63 of the characters a-z, 0-9, '-' and '_', the first a letter or a digit`},
		{"reserved channel", "live_" + sig, `channel "live" is reserved; so are hls, media, api, operator, replay, healthz, readyz, metrics, debug, assets, favicon.ico`},
		{"not base64url", "channel_" + sig[:21] + "+", "its last 22 characters are no signature"},
		{"bits that no signature has", "channel_" + sig[:21] + "h", "its last 22 characters are no signature"},
		{"a newline within", "channel_" + sig[:10] + "\n" + sig[10:21], "its last 22 characters are no signature"},
	}
	for _, tt := range tests {
		_, parseErr := s.Parse(tt.key)
		_, verifyErr := s.Verify(tt.key, 0)
		for op, err := range map[string]error{"Parse": parseErr, "Verify": verifyErr} {
			want := "malformed stream key: " + tt.want
			if !errors.Is(err, streamkey.ErrMalformed) || err.Error() != want {
				t.Errorf("%s, %s:\n got %v\nwant %s", tt.name, op, err, want)
			}
			if err != nil && strings.Contains(err.Error(), sig[:8]) {
				t.Errorf("%s, %s: the error tells the signature: %v", tt.name, op, err)
			}
		}
	}
}

func TestNewSigner_NeedsASecretOfSomeLength(t *testing.T) {
	t.Parallel()
	if _, err := streamkey.NewSigner(make([]byte, 15)); err == nil || err.Error() != "the secret has 15 bytes, it needs at least 16" {
		t.Errorf("15 bytes: %v", err)
	}
	secret := []byte(theSecret)
	s, err := streamkey.NewSigner(secret)
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	clear(secret)
	if got := s.New("my_channel", 0); got != golden {
		t.Errorf("after the caller cleared its secret: %s, want %s", got, golden)
	}
}

func TestSigner_PrintsNoSecrets(t *testing.T) {
	t.Parallel()
	s := newSigner(t, theSecret)
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v", s, s)} {
		if strings.ContainsAny(got, "[{") {
			t.Errorf("printed as %s", got)
		}
	}
}

func FuzzSigner_Verify(f *testing.F) {
	s := newSigner(f, theSecret)
	for _, key := range []string{"", "_", golden, s.New("a", 7), "live_" + golden[11:], strings.Repeat("_", 23), golden + "\x00"} {
		f.Add(key, uint64(0))
	}
	f.Fuzz(func(t *testing.T, key string, gen uint64) {
		c, err := s.Verify(key, gen)
		if err != nil {
			if !errors.Is(err, streamkey.ErrMalformed) && !errors.Is(err, streamkey.ErrBadSignature) {
				t.Errorf("Verify(%q): %v is neither malformed nor badly signed", key, err)
			}
			return
		}
		if want := s.New(c, gen); key != want {
			t.Errorf("Verify took %q, the key is %q", key, want)
		}
	})
}
