package local

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// followEvery is how often a log is looked at.
	followEvery = 50 * time.Millisecond
	// tailLines is how many last lines are kept.
	tailLines = 20
	// maxLine is where a line without an end is cut, in bytes.
	maxLine = 64 << 10
	// maxLog is the size at which a log, all of it copied, begins again, in bytes. What is
	// written in the very moment of that is lost.
	maxLog = 16 << 20
)

// output is where the lines of all machines go.
type output struct {
	mu sync.Mutex // protects w
	w  io.Writer
}

// line writes one line of a machine's.
func (o *output) line(launch string, line []byte) {
	var b bytes.Buffer
	if rest, ok := bytes.CutPrefix(line, []byte(`{"`)); ok && bytes.Contains(line, []byte(`"machine":`)) {
		b.Write(line) // it says so itself
	} else if ok {
		fmt.Fprintf(&b, `{"machine":%q,"%s`, launch, rest)
	} else {
		fmt.Fprintf(&b, "[%s] %s", launch, line)
	}
	b.WriteByte('\n')
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.w.Write(b.Bytes()) // Nobody can be told that the log cannot be written.
}

// A follower copies a machine's log as it grows. One goroutine uses it.
type follower struct {
	file   *os.File // appended to by the child, read from at an offset by us
	launch string
	out    *output
	offset int64
	part   []byte   // of a line whose end is not written yet
	tail   []string // the last lines, oldest first
}

// newFollower makes the log file.
func newFollower(path, launch string, out *output) (*follower, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600) //nolint:gosec // Of our directory.
	if err != nil {
		return nil, fmt.Errorf("make log of machine %s: %w", launch, err)
	}
	return &follower{file: f, launch: launch, out: out}, nil
}

// follow copies until ended is closed and nothing is left.
func (f *follower) follow(ended <-chan struct{}) {
	defer f.close()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.copy()
			f.restart()
		case <-ended:
			f.copy()
			if len(f.part) > 0 {
				f.line(f.part)
			}
			return
		}
	}
}

// copy copies what is new.
func (f *follower) copy() {
	buf := make([]byte, 32<<10)
	for {
		n, err := f.file.ReadAt(buf, f.offset)
		f.offset += int64(n)
		f.take(buf[:n])
		if err != nil { // At the end of the file, for now; or it cannot be read, now or later.
			return
		}
	}
}

// take cuts bytes into lines.
func (f *follower) take(b []byte) {
	f.part = append(f.part, b...)
	for {
		i := bytes.IndexByte(f.part, '\n')
		switch {
		case i >= 0:
			f.line(f.part[:i])
			f.part = f.part[i+1:]
		case len(f.part) > maxLine:
			f.line(f.part)
			f.part = nil
		default:
			return
		}
	}
}

func (f *follower) line(line []byte) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	f.out.line(f.launch, line)
	if len(f.tail) == tailLines {
		f.tail = f.tail[1:]
	}
	f.tail = append(f.tail, string(line))
}

// restart empties a log that has grown too large.
func (f *follower) restart() {
	if f.offset < maxLog {
		return
	}
	if f.file.Truncate(0) == nil { // Else it grows on, and this is tried again.
		f.offset = 0
	}
}

func (f *follower) close() { _ = f.file.Close() } // All of it was read.
