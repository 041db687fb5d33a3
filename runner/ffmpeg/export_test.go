package ffmpeg

import "log/slog"

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
