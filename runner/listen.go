package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// probeTimeout is what a socket found in our place gets to take a connection.
const probeTimeout = time.Second

// listen listens on "unix:/absolute/path" or "host:port".
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return lc.Listen(ctx, "tcp", address)
	}
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("socket path %q is not absolute", path)
	}
	if err := guardDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := clearStale(ctx, path); err != nil {
		return nil, err
	}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// guardDir makes dir, for this user alone, unless it is there. One in which anybody may replace our
// socket by theirs is refused.
func guardDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("directory %s of the socket may be written by anybody", dir)
	}
	return nil
}

// clearStale removes a socket at path on which nobody listens any more. It touches nothing else.
func clearStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	d := net.Dialer{Timeout: probeTimeout}
	if c, err := d.DialContext(ctx, "unix", path); err == nil {
		_ = c.Close() // it has told what it was for
		return fmt.Errorf("another process listens on %s", path)
	}
	return os.Remove(path)
}
