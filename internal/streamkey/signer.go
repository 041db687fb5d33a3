package streamkey

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MinSecret is the shortest secret taken, in bytes.
	MinSecret = 16

	separator = "_"
	// signatureBytes of HMAC-SHA256 are kept: 128 bits, which RFC 2104 section 5 allows (not less
	// than half the hash), so that a key stays short enough to type.
	signatureBytes = 16
	signatureChars = 22 // base64url without padding

	// purpose keeps the signing key apart from all else that is derived from the same secret.
	purpose = "pharos stream key v1"
)

var (
	// ErrMalformed says that a string cannot be a stream key; what wraps it says why.
	ErrMalformed = errors.New("malformed stream key")
	// ErrBadSignature says that a key was not made with this secret for this generation: it is
	// forged, revoked, or of another installation.
	ErrBadSignature = errors.New("the stream key is wrong or has been revoked")
)

// encoding is strict: of the strings that decode to a signature it takes one only.
var encoding = base64.RawURLEncoding.Strict()

// Signer makes and checks stream keys. It never changes and is safe for concurrent use.
type Signer struct {
	key []byte
}

// NewSigner returns the Signer of secret, which must have at least 16 bytes. All servers with one
// secret take each other's keys. secret is not kept.
func NewSigner(secret []byte) (*Signer, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret has %d bytes, it needs at least %d", len(secret), MinSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key for stream keys: %w", err)
	}
	return &Signer{key: key}, nil
}

// String keeps the key out of logs.
func (*Signer) String() string { return "streamkey.Signer" }

// GoString keeps the key out of logs, for %#v.
func (s *Signer) GoString() string { return s.String() }

// New returns the stream key of a channel in a generation: the channel, "_", and the signature.
func (s *Signer) New(c Channel, generation uint64) string {
	return string(c) + separator + encoding.EncodeToString(s.sign(c, generation))
}

// Parse returns the channel that key names, without looking at the signature's value: for whatever
// must be known before the generation is. Its errors wrap ErrMalformed and leave the key out.
func (s *Signer) Parse(key string) (Channel, error) {
	c, _, err := split(key)
	return c, err
}

// Verify returns the channel of a key that is signed for generation: otherwise ErrMalformed or
// ErrBadSignature. How long it takes tells nothing about the signature.
func (s *Signer) Verify(key string, generation uint64) (Channel, error) {
	c, signature, err := split(key)
	if err != nil {
		return "", err
	}
	if !hmac.Equal(signature, s.sign(c, generation)) {
		return "", ErrBadSignature
	}
	return c, nil
}

// sign is unambiguous, since the generation has a fixed length.
func (s *Signer) sign(c Channel, generation uint64) []byte {
	mac := hmac.New(sha256.New, s.key)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, generation)) // a hash's Write never fails
	_, _ = mac.Write([]byte(c))
	return mac.Sum(nil)[:signatureBytes]
}

// split takes key apart at the length of the signature: both its parts may contain the separator.
func split(key string) (Channel, []byte, error) {
	malformed := func(why string) (Channel, []byte, error) {
		return "", nil, fmt.Errorf("%w: %s", ErrMalformed, why)
	}
	at := len(key) - signatureChars - len(separator)
	switch {
	case key == "":
		return malformed("it is empty")
	case at < 1:
		return malformed("it is too short; the form is CHANNEL_SIGNATURE")
	case at > maxChannel:
		return malformed("it is too long")
	case key[at:at+len(separator)] != separator:
		return malformed("no \"_\" stands before the last 22 characters; the form is CHANNEL_SIGNATURE")
	}
	c, err := ParseChannel(key[:at])
	if err != nil {
		return malformed(err.Error())
	}
	signature, err := encoding.DecodeString(key[at+len(separator):])
	if err != nil || len(signature) != signatureBytes {
		return malformed("its last 22 characters are no signature")
	}
	return c, signature, nil
}
