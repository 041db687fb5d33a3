// Package streamkey makes and checks stream keys: what a streamer types into OBS.
//
// A key is {channel}_{signature}. The signature is HMAC-SHA256, cut to 16 bytes, over the
// channel and its generation, under a key derived from the installation's secret; so a server
// checks a key without a list of keys:
//
//	secret ──HKDF──▶ signing key ─┐
//	channel ──────────────────────┼─HMAC──▶ signature
//	generation (bucket ◀─ cache) ─┘
//
// Promises: a key is valid for one channel in one generation; nobody makes one without the secret;
// revoking (Generations.Bump) makes every earlier key of the channel worthless and leaves other
// channels alone. A check takes the same time however wrong the signature is, and allocates
// next to nothing before the form is right.
//
// If the cache is away, the bucket answers. If the bucket is away too, nothing can be said about
// a key, which is an error other than ErrBadSignature: the streamer is not to be told that the key
// is wrong. A bucket whose cache still answers is not asked.
package streamkey
