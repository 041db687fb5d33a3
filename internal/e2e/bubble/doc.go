// Package bubble tests the whole path of a broadcast in one synctest bubble: ingest, pool, runner,
// packager, registry and a viewer, wired as cmd wires them, with nothing outside but time. A minute
// passes in milliseconds, and a goroutine left behind fails the test.
package bubble
