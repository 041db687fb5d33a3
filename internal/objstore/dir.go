package objstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

const (
	// tempDir holds files being written. It begins with a dot, as no key may.
	tempDir = ".tmp"
	// tempAge is how old a file in tempDir must be for OpenDir to take it for a dead process's.
	tempAge = time.Hour
	// placeAttempts bounds how often Put makes a folder that Delete prunes under its hands. Two
	// processes that do nothing else needed more than ten; one attempt takes microseconds.
	placeAttempts = 1000

	dirPerm  = 0o750
	filePerm = 0o640
)

// Dir is a Store in a directory. Several processes may use one directory at the same time.
//
// Put writes a temporary file and renames it, so that no reader sees half an object. It does not
// sync the disk: what Put acknowledged outlives the process, but perhaps not a power cut. Keys
// cannot lead out of the directory, not even through symbolic links put there by others.
type Dir struct {
	path string
	root *os.Root
}

var _ Store = (*Dir)(nil)

// OpenDir opens the store in the directory path, which it makes if need be, and removes the
// temporary files that processes long dead left behind.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, dirPerm); err != nil {
		return nil, fmt.Errorf("make media directory: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open media directory: %w", err)
	}
	d := &Dir{path: path, root: root}
	if err := d.openTemp(); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("prepare media directory %s: %w", path, err)
	}
	return d, nil
}

func (d *Dir) openTemp() error {
	if err := d.root.MkdirAll(tempDir, dirPerm); err != nil {
		return err
	}
	entries, err := fs.ReadDir(d.root.FS(), tempDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > tempAge {
			_ = d.root.Remove(path.Join(tempDir, e.Name())) // another process may have been quicker
		}
	}
	return nil
}

// Close gives back the directory. No method may be called during or after it.
func (d *Dir) Close() error { return d.root.Close() }

// Put stores body under key.
func (d *Dir) Put(ctx context.Context, key string, body []byte, _ PutOptions) error {
	if err := ready(ctx, key); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	temp := path.Join(tempDir, rand.Text())
	if err := d.write(temp, body); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	if err := d.place(temp, key); err != nil {
		_ = d.root.Remove(temp)
		return fmt.Errorf("put %q: %w", key, err)
	}
	return nil
}

func (d *Dir) write(temp string, body []byte) error {
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = d.root.Remove(temp)
	}
	return err
}

// place renames temp to key and makes the folders it is to stand in. A Delete, here or in another
// process, may prune a folder at any moment: between the two steps, or while MkdirAll looks at what
// it has found, which it then reports as missing or, oddly, as existing. So they are tried again.
func (d *Dir) place(temp, key string) error {
	err := d.root.Rename(temp, key) // mostly the folders are there
	for range placeAttempts {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err = d.root.MkdirAll(path.Dir(key), dirPerm); err == nil {
			err = d.root.Rename(temp, key)
		}
	}
	return err
}

// Get returns the object under key.
func (d *Dir) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ready(ctx, key); err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	f, info, err := d.open(key)
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	defer func() { _ = f.Close() }()
	if info.Size() > MaxGet {
		return nil, fmt.Errorf("get %q: %w", key, ErrTooLarge)
	}
	body := make([]byte, info.Size()) // of a file that is never written to again, only replaced
	if _, err := io.ReadFull(f, body); err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	return body, nil
}

// open opens the object under key, which ready has found valid.
func (d *Dir) open(key string) (*os.File, fs.FileInfo, error) {
	f, err := d.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotFound // a folder on the way to other objects
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Delete removes the objects under keys, and the folders that it leaves empty.
func (d *Dir) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		err := ready(ctx, key)
		if err == nil {
			err = d.remove(key)
		}
		if err != nil {
			return fmt.Errorf("delete %q: %w", key, err)
		}
	}
	return nil
}

func (d *Dir) remove(key string) error {
	info, err := d.root.Lstat(key)
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) || err == nil && info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	folder := path.Dir(key)
	for folder != "." && d.root.Remove(folder) == nil { // fails where it holds other objects
		folder = path.Dir(folder)
	}
	return nil
}

// List calls fn for each object whose key begins with prefix.
func (d *Dir) List(ctx context.Context, prefix string, fn func(Object) bool) error {
	if err := validPrefix(prefix); err != nil {
		return err
	}
	start := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		start = prefix[:i] // nothing outside it can match
	}
	err := fs.WalkDir(d.root.FS(), start, func(key string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return visit(key, prefix, e, err, fn)
	})
	if err != nil {
		return fmt.Errorf("list %q: %w", prefix, err)
	}
	return nil
}

// visit is one step of List's walk.
func visit(key, prefix string, e fs.DirEntry, err error, fn func(Object) bool) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) || isNotDir(err): // pruned meanwhile, or the prefix is no folder
		return nil
	case err != nil:
		return err
	case e.IsDir():
		if key == "." || isKey(key) && (strings.HasPrefix(key, prefix) || strings.HasPrefix(prefix, key+"/")) {
			return nil
		}
		return fs.SkipDir
	case !e.Type().IsRegular() || !strings.HasPrefix(key, prefix) || !isKey(key):
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	if !fn(Object{Key: key, Size: info.Size(), ModTime: info.ModTime()}) {
		return fs.SkipAll
	}
	return nil
}

// URL returns the path under MediaPath at which Handler serves key.
func (d *Dir) URL(key string, _ time.Time) (string, error) {
	return mediaURL(key)
}

// Check tells whether the directory can be written and read.
func (d *Dir) Check(ctx context.Context) error {
	if err := check(ctx, d); err != nil {
		return fmt.Errorf("media directory %s: %w", d.path, err)
	}
	return nil
}

// Handler serves the objects under MediaPath; it must be given whole paths.
func (d *Dir) Handler() http.Handler {
	return mediaHandler(func(ctx context.Context, key string) (content, error) {
		if err := ready(ctx, key); err != nil {
			return content{}, err
		}
		f, info, err := d.open(key)
		if err != nil {
			return content{}, err
		}
		return content{f, info.ModTime(), f.Close}, nil
	})
}

// ready tells whether an operation on key may begin.
func ready(ctx context.Context, key string) error {
	if err := ValidKey(key); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// isNotDir tells that a path leads through a file, so that nothing is there.
func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
