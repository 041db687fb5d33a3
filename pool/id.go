package pool

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A WorkID names one piece of work for ever. It begins with its machine's launch id.
type WorkID string

// newLaunch returns a launch id of the pool.
func newLaunch(pool string) string { return pool + "-" + randomID() }

// newWorkID returns an id for work on the machine.
func newWorkID(launch string) WorkID { return WorkID(launch + "." + randomID()) }

// randomID returns 13 lower-case letters and digits: 65 bits.
func randomID() string { return strings.ToLower(rand.Text()[:13]) }

// token is the bearer token of a machine: HMAC-SHA256 of its launch id under key.
// Each machine has its own, every parent with the key derives it, no ledger holds it.
func token(key []byte, launch string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(launch))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
