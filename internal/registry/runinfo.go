package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// runFile is where `pharos serve` says, in PHAROS_DATA_DIR, that it runs.
const runFile = "run.json"

// A RunInfo is what a running `pharos serve` leaves for `key` and `ps` on the same machine.
type RunInfo struct {
	RedisURL string `json:"redis_url"` // with the embedded Redis' password
	PID      int    `json:"pid"`
	HTTP     string `json:"http"` // addresses listened on; empty = none
	RTMP     string `json:"rtmp"`
}

// LogValue leaves the Redis URL out, which holds a password.
func (i RunInfo) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("pid", i.PID), slog.String("http", i.HTTP), slog.String("rtmp", i.RTMP))
}

// WriteRun writes dataDir/run.json, readable by its owner alone, and replaces a former one in one step. It makes
// dataDir where it is missing.
func WriteRun(dataDir string, info RunInfo) error {
	if err := writeRun(dataDir, info); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(dataDir, runFile), err)
	}
	return nil
}

func writeRun(dataDir string, info RunInfo) error {
	doc, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dataDir, runFile+".*") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(doc, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dataDir, runFile))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// ReadRun reads dataDir/run.json. What a `pharos serve` left that died without removing it counts as absent;
// the error then is fs.ErrNotExist and says what to do.
func ReadRun(dataDir string) (RunInfo, error) {
	path := filepath.Join(dataDir, runFile)
	doc, err := os.ReadFile(path)
	var info RunInfo
	if err == nil {
		err = json.Unmarshal(doc, &info)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !alive(info.PID):
		return RunInfo{}, notRunning{dataDir}
	case err != nil:
		return RunInfo{}, fmt.Errorf("read %s: %w", path, err)
	}
	return info, nil
}

// notRunning is an fs.ErrNotExist that says what to do instead of which file is missing.
type notRunning struct{ dataDir string }

// Error says what to do.
func (e notRunning) Error() string {
	return fmt.Sprintf("no `pharos serve` runs with this PHAROS_DATA_DIR (%s): start one, or set PHAROS_DATA_DIR "+
		"or REDIS_URL as the running one has it", e.dataDir)
}

// Is makes it an fs.ErrNotExist.
func (notRunning) Is(target error) bool { return target == fs.ErrNotExist }

// alive tells whether a process of that id exists: signal 0 is never delivered, only checked.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if pid <= 0 || err != nil {
		return false
	}
	defer func() { _ = p.Release() }()
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// RemoveRun removes dataDir/run.json if this process wrote it. That there is none is no error.
func RemoveRun(dataDir string) error {
	info, err := ReadRun(dataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.PID != os.Getpid():
		return nil // of a `pharos serve` started since
	}
	if err := os.Remove(filepath.Join(dataDir, runFile)); err != nil {
		return fmt.Errorf("remove run file: %w", err)
	}
	return nil
}
