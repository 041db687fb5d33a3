package hls

import (
	"fmt"
	"time"
)

// micros is d in whole microseconds, the precision of every printed duration.
// The draft (4.4.4.1) wants at least milliseconds; Apple's rule 8.1, sums true to
// a frame, wants more.
func micros(d time.Duration) int64 { return int64(d.Round(time.Microsecond) / time.Microsecond) }

// seconds prints microseconds as a decimal-floating-point number of seconds.
func seconds(us int64) string { return fmt.Sprintf("%d.%06d", us/1e6, us%1e6) }

// date prints the date of a media time: UTC, milliseconds.
func date(anchor time.Time, at time.Duration) string {
	return anchor.Add(at).UTC().Round(time.Millisecond).Format("2006-01-02T15:04:05.000Z")
}

func partURI(number uint64) string { return fmt.Sprintf("p%d.m4s", number) }

func segmentURI(msn uint64) string { return fmt.Sprintf("s%d.m4s", msn) }

func mapLine(init string) string { return fmt.Sprintf("#EXT-X-MAP:URI=\"init-%s.mp4\"\n", init) }
