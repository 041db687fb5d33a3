package ffmpeg

import (
	"context"
	"log/slog"
	"time"
)

// What external tests need of the inside.
var (
	Environ   = environ
	Level     = level
	NewQueue  = newQueue
	PutPacket = putPacket
)

const NUTID = nutID

const (
	StartMain      = startMain
	StartStream    = startStream
	StartSyncpoint = startSyncpoint
)

type (
	Queue   = queue
	LineLog = lineLog
)

func (q *queue) Push(p Packet) error     { return q.push(p) }
func (q *queue) Pop() (Packet, bool)     { return q.pop() }
func (q *queue) Close()                  { q.close() }
func (q *queue) Snapshot() QueueStats    { return q.snapshot() }
func (l *lineLog) Finish() []string      { return l.finish() }
func NewLineLog(l *slog.Logger) *lineLog { return &lineLog{log: l} }

// InBand is the parameter sets of an AVC configuration record as Reconfigure puts them into frames.
func InBand(config []byte) ([]byte, error) {
	c, err := parseAVCConfig(config)
	if err != nil {
		return nil, err
	}
	return c.inBand()
}

// InBand265 is InBand for an HEVC configuration record.
func InBand265(config []byte) ([]byte, error) {
	c, err := parseHEVCConfig(config)
	if err != nil {
		return nil, err
	}
	return c.inBand()
}

// Gauge is a gauge with names that external tests can use.
type Gauge struct{ g *gauge }

func NewGauge(stall, first, lag time.Duration, holds, rungs int) Gauge {
	return Gauge{&gauge{stall: stall, first: first, lag: lag, holds: holds, rungs: make([]rungGauge, rungs)}}
}

func (g Gauge) Put(now time.Time, f Packet)                      { g.g.put(now, f) }
func (g Gauge) Got(i int, pts int64)                             { g.g.got(i, pts) }
func (g Gauge) Check(now time.Time, name func(int) string) error { return g.g.check(now, name) }

type Encoder = encoder

// SuperviseBy is Supervise with another way to start an ffmpeg.
func SuperviseBy(ctx context.Context, o SupervisorOptions, launch func(context.Context, Options) (Encoder, error)) (*Supervisor, error) {
	return supervise(ctx, o, launch)
}
