// Command bench takes the figures of docs/BENCHMARKS.md anew: `make bench`.
//
// Everything runs on loopback, in this process and in ffmpeg's. What is compared is measured in
// the same run, in turns, so that a noisy neighbour disturbs both sides alike; figures are
// medians and other quantiles of many samples, never a single one. Progress goes to standard
// error, a Markdown report to standard output.
//
//	                       ┌─ listed       last frame of a part in → part listed
//	clip ─ frames of ingest┼─ passthrough  CPU of broadcasts without a ladder
//	                       └─ ladder       CPU, time and delay beside bare ffmpeg
//	made-up feed ──────────┬── crowd       blocked viewers beside a bare long poll
//	                       └── waiters     ten thousand blocked requests without sockets
package main
