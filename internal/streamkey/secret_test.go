package streamkey_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pharos-live/pharos/internal/streamkey"
)

func TestLoadSecret_MakesOneAndKeepsIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "pharos")
	first := loadSecret(t, dir)
	if second := loadSecret(t, dir); !bytes.Equal(first, second) {
		t.Errorf("the second call got %s, the first %s", second, first)
	}
	if raw, err := hex.DecodeString(string(first)); err != nil || len(raw) != 32 {
		t.Errorf("the secret %q is not 32 bytes in hexadecimal: %v", first, err)
	}
	if other := loadSecret(t, t.TempDir()); bytes.Equal(first, other) {
		t.Error("two installations have the same secret")
	}
	text, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil || string(text) != string(first)+"\n" {
		t.Errorf("the file holds %q, %v, want the secret and a newline", text, err)
	}
	info, err := os.Stat(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatalf("stat: %v", err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("mode %o, want %o", got, want)
	}
	onlyTheSecret(t, dir)
}

func TestLoadSecret_ManyAtOnceGetTheSame(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir := t.TempDir()
		secrets := make([][]byte, 16)
		var wg sync.WaitGroup
		for i := range secrets {
			wg.Go(func() {
				var err error
				if secrets[i], err = streamkey.LoadSecret(dir); err != nil {
					t.Errorf("LoadSecret: %v", err)
				}
			})
		}
		wg.Wait()
		for _, s := range secrets {
			if !bytes.Equal(s, secrets[0]) {
				t.Fatalf("one got %s, another %s", secrets[0], s)
			}
		}
		onlyTheSecret(t, dir)
	}
}

func TestLoadSecret_RefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"readable by others", strings.Repeat("a", 64), 0o644, "run chmod 600 on it"},
		{"empty", "", 0o600, "holds 0 bytes, it needs at least 16"},
		{"cut short", "0123456789abcde\n", 0o600, "holds 15 bytes, it needs at least 16"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		path := filepath.Join(dir, "secret")
		if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
			t.Fatalf("write: %v", err)
		}
		_, err := streamkey.LoadSecret(dir)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want an error that names %s and says %q", tt.name, err, path, tt.want)
		}
		if text, err := os.ReadFile(path); string(text) != tt.text || err != nil {
			t.Errorf("%s: the file now holds %q, %v", tt.name, text, err)
		}
	}
}

func TestLoadSecret_WhereNoFileCanBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	if _, err := streamkey.LoadSecret(filepath.Join(file, "dir")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names %s", err, file)
	}
}

func loadSecret(t *testing.T, dir string) []byte {
	t.Helper()
	secret, err := streamkey.LoadSecret(dir)
	if err != nil {
		t.Fatalf("LoadSecret: %v", err)
	}
	return secret
}

func onlyTheSecret(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v, want the secret alone", entries, err)
	}
}
