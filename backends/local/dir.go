package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/pharos-live/pharos/pool"
)

// The files of one machine, by suffix.
const (
	entrySuffix  = ".json"
	socketSuffix = ".sock"
	logSuffix    = ".log"
	tempSuffix   = ".tmp" // an entry that is being written
)

// maxSocket is how long a socket's path may be, in bytes: sun_path has 104 on macOS and
// 108 on Linux, with the zero at its end.
const maxSocket = 103

// strayAge is how old a file without an entry must be to be removed: a machine's entry
// is written last, moments after its other files.
const strayAge = time.Minute

var launchRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// checkLaunch refuses what could not be a part of a file's name.
func checkLaunch(launch string) error {
	if !launchRule.MatchString(launch) {
		return fmt.Errorf("launch id %q: want lower-case letters, digits and dashes", launch)
	}
	return nil
}

// A dir is the private directory.
type dir string

// An entry is one machine, as its file tells.
type entry struct {
	Pool    string    `json:"pool"`
	Launch  string    `json:"launch"`
	Socket  string    `json:"socket"`
	PID     int       `json:"pid"`
	Started string    `json:"started"` // as the system gives it: only equality counts
	Created time.Time `json:"created"`
}

// machine is the entry as the pool knows it.
func (e entry) machine() pool.Machine {
	return pool.Machine{ID: e.Launch, Launch: e.Launch, Addr: "unix:" + e.Socket, Created: e.Created}
}

// path is that of a machine's file.
func (d dir) path(launch, suffix string) string { return filepath.Join(string(d), launch+suffix) }

// socket is the path of a machine's socket, if the system takes it.
func (d dir) socket(launch string) (string, error) {
	p := d.path(launch, socketSuffix)
	if len(p) > maxSocket {
		return "", fmt.Errorf("socket path %s has %d bytes, and may have %d: choose a shorter directory", p, len(p), maxSocket)
	}
	return p, nil
}

// ensure makes the directory, and checks that it is this user's alone: in a temporary
// directory, anybody might have made it first.
func (d dir) ensure() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make directory of machines: %w", err)
	}
	info, err := os.Lstat(string(d))
	if err != nil {
		return fmt.Errorf("check directory of machines: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("directory of machines %s: want a directory of user %d alone, with mode 0700; it is %s", string(d), os.Geteuid(), info.Mode())
	}
	return nil
}

// write makes e's file, at once or not at all.
func (d dir) write(e entry) error {
	doc, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode entry of machine %s: %w", e.Launch, err)
	}
	temp := d.path(e.Launch, tempSuffix)
	if err := os.WriteFile(temp, doc, 0o600); err != nil {
		return fmt.Errorf("write entry of machine %s: %w", e.Launch, err)
	}
	if err := os.Rename(temp, d.path(e.Launch, entrySuffix)); err != nil {
		return fmt.Errorf("write entry of machine %s: %w", e.Launch, err)
	}
	return nil
}

// read returns the entry of a launch. One that cannot be read does not count.
func (d dir) read(launch string) (entry, bool) {
	doc, err := os.ReadFile(d.path(launch, entrySuffix))
	if err != nil {
		return entry{}, false
	}
	var e entry
	if json.Unmarshal(doc, &e) != nil || e.Launch != launch || e.PID < 2 {
		return entry{}, false
	}
	return e, true
}

// entries returns all that can be read.
func (d dir) entries() ([]entry, error) {
	files, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var entries []entry
	for _, f := range files {
		launch, ok := strings.CutSuffix(f.Name(), entrySuffix)
		if !ok {
			continue
		}
		if e, ok := d.read(launch); ok {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// sweep removes the files of machines that have ended, but for those to be kept, and
// old files that belong to none.
func (d dir) sweep(keep func(launch string) bool) error {
	files, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, f := range files {
		suffix := filepath.Ext(f.Name())
		launch := strings.TrimSuffix(f.Name(), suffix)
		if checkLaunch(launch) != nil || keep(launch) {
			continue
		}
		e, ok := d.read(launch)
		switch {
		case ok && e.alive():
		case ok:
			errs = append(errs, d.remove(launch))
		case old(f):
			errs = append(errs, d.remove(launch))
		}
	}
	return errors.Join(errs...)
}

// old reports whether a file is too old to belong to a machine that is being made.
func old(f fs.DirEntry) bool {
	info, err := f.Info()
	return err == nil && time.Since(info.ModTime()) > strayAge
}

// remove removes a machine's files, the entry last, so that a failure is found again.
func (d dir) remove(launch string) error {
	for _, suffix := range []string{socketSuffix, logSuffix, tempSuffix, entrySuffix} {
		if err := os.Remove(d.path(launch, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove files of machine %s: %w", launch, err)
		}
	}
	return nil
}
