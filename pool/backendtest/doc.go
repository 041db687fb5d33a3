// Package backendtest holds what tests of backends and of pools need: Run, the suite
// that every pool.Backend passes, and Memory, a backend without processes whose
// boots, deaths and silences a test scripts.
package backendtest
