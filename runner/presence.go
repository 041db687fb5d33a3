package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// PresenceEnv is the environment variable by which a backend on the same host tells a runner the
// number of an inherited pipe. Its EOF means that the parent which booted the runner has died, so
// the parent alone may hold the writing end. Run removes the variable once it has read it.
const PresenceEnv = "PHAROS_PRESENCE_FD"

// presenceFromEnv returns the reading end of the booting parent's pipe, or nil if there is none.
func presenceFromEnv() (io.ReadCloser, error) {
	text, ok := os.LookupEnv(PresenceEnv)
	if !ok {
		return nil, nil // a runner without one is the usual case
	}
	if err := os.Unsetenv(PresenceEnv); err != nil {
		return nil, fmt.Errorf("remove %s from the environment: %w", PresenceEnv, err)
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q is not the number of an inherited file", PresenceEnv, text)
	}
	f, err := inheritedPipe(fd)
	if err != nil {
		return nil, fmt.Errorf("open %s=%d: %w", PresenceEnv, fd, err)
	}
	return f, nil
}

// watchPresence returns once the parent's pipe ends, or is closed on this side.
func (r *Runner) watchPresence(pipe io.Reader) {
	_, err := io.Copy(io.Discard, pipe)
	if errors.Is(err, fs.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return
	}
	r.abandon()
}
