// Package registrytest holds the tests that a registry passes on every Redis it is used with, and what they and
// others' tests stand on: an in-memory Redis that works inside synctest bubbles, a real redis-server, and links
// that can be cut.
package registrytest
