package objstore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/objstore/objstoretest"
)

func TestDir_Conforms(t *testing.T) {
	t.Parallel()
	objstoretest.Run(t, func(t *testing.T) objstore.Store { return openDir(t, t.TempDir()) })
}

func openDir(t *testing.T, path string) *objstore.Dir {
	t.Helper()
	d, err := objstore.OpenDir(path)
	if err != nil {
		t.Fatalf("OpenDir: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

func TestDir_ManyMayShareADirectory(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	runner, web := openDir(t, path), openDir(t, path)
	if err := runner.Put(t.Context(), "b/source/p1.7.m4s", []byte("part"), objstore.PutOptions{}); err != nil {
		t.Fatalf("Put: %v", err)
	}
	got, err := web.Get(t.Context(), "b/source/p1.7.m4s")
	if want := "part"; string(got) != want || err != nil {
		t.Errorf("Get: %q, %v, want %q", got, err, want)
	}
}

// A Delete prunes the folder that a Put beside it is about to use, in this process or in another.
func TestDir_DeleteDoesNotDisturbPutsBesideIt(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	var wg sync.WaitGroup
	for _, name := range []string{"left", "right"} {
		d := openDir(t, path)
		wg.Go(func() {
			key := "b/deep/folder/" + name
			for range 200 {
				if err := d.Put(t.Context(), key, []byte(name), objstore.PutOptions{}); err != nil {
					t.Errorf("Put: %v", err)
				}
				if _, err := d.Get(t.Context(), key); err != nil {
					t.Errorf("Get: %v", err)
				}
				if err := d.Delete(t.Context(), key); err != nil {
					t.Errorf("Delete: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestDir_LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := openDir(t, path)
	if err := d.Put(t.Context(), "b/source/p1.7.m4s", []byte("part"), objstore.PutOptions{}); err != nil {
		t.Fatalf("Put: %v", err)
	}
	if err := d.Put(t.Context(), "b/source", []byte("where a folder is"), objstore.PutOptions{}); err == nil {
		t.Error("Put where a folder is: nil, want an error")
	}
	if err := d.Delete(t.Context(), "b/source/p1.7.m4s"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	err := filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if p != path && filepath.Base(p) != ".tmp" {
			t.Errorf("there is still %s", p)
		}
		return err
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
}

func TestOpenDir_RemovesTemporaryFilesOfTheDeadOnly(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	openDir(t, path)
	dead, alive := filepath.Join(path, ".tmp", "dead"), filepath.Join(path, ".tmp", "alive")
	for _, name := range []string{dead, alive} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatalf("write %s: %v", name, err)
		}
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(dead, old, old); err != nil {
		t.Fatalf("chtimes: %v", err)
	}
	openDir(t, path)
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead process's file: %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("the file that may still be written: %v", err)
	}
}

func TestDir_SymbolicLinksDoNotLeadOut(t *testing.T) {
	t.Parallel()
	outside, path := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	d := openDir(t, path)
	if err := os.Symlink(outside, filepath.Join(path, "b")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if body, err := d.Get(t.Context(), "b/secret"); err == nil {
		t.Errorf("Get through a link: %q", body)
	}
	if err := d.Put(t.Context(), "b/secret", []byte("overwritten"), objstore.PutOptions{}); err == nil {
		t.Error("Put through a link: nil, want an error")
	}
	if err := d.Delete(t.Context(), "b/secret"); err == nil {
		t.Error("Delete through a link: nil, want an error")
	}
	if got, err := os.ReadFile(secret); string(got) != "secret" || err != nil {
		t.Errorf("the file outside holds %q, %v", got, err)
	}
}

func TestDir_CheckSaysWhatIsWrongOnOneLine(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := openDir(t, path)
	if err := os.RemoveAll(filepath.Join(path, ".tmp")); err != nil { // as root, permissions would stop nobody
		t.Fatalf("remove: %v", err)
	}
	err := d.Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Check: %v, want one line that names %s", err, path)
	}
}

func TestOpenDir_WhereAFileIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	if _, err := objstore.OpenDir(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("OpenDir: %v, want an error that names %s", err, path)
	}
}
