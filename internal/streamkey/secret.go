package streamkey

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// SecretFile is the name of the secret's file in a data directory.
	SecretFile = "secret"

	secretBytes = 32
	secretPerm  = 0o600
	dataDirPerm = 0o700
)

// LoadSecret returns the secret kept in dataDir. The first call makes it, and the directory: 32
// random bytes as 64 hexadecimal digits, in a file that only its owner may read. Several processes
// may do so at once, and all get the same.
//
// The secret is the file's text, without the newline: given to another server as PHAROS_SECRET, it
// makes that server take the same keys.
func LoadSecret(dataDir string) ([]byte, error) {
	path := filepath.Join(dataDir, SecretFile)
	secret, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeSecret(dataDir, path); err == nil {
			secret, err = readSecret(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load the secret: %w", err)
	}
	return secret, nil
}

func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("others than its owner may use %s (mode %04o): run chmod 600 on it", path, perm)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	secret := bytes.TrimSpace(text)
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("%s holds %d bytes, it needs at least %d: restore it, or delete it to make all stream keys anew",
			path, len(secret), MinSecret)
	}
	return secret, nil
}

// makeSecret makes the file path in one step, so that nobody reads half of it: it writes a file of
// its own and links it to path, which fails where another process was quicker.
func makeSecret(dataDir, path string) error {
	if err := os.MkdirAll(dataDir, dataDirPerm); err != nil {
		return err
	}
	temp := path + "." + rand.Text()
	defer func() { _ = os.Remove(temp) }()
	if err := writeSecret(temp); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// writeSecret writes a new secret to path and syncs it: a secret lost in a power cut would make every
// key that was given out worthless.
func writeSecret(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, secretPerm)
	if err != nil {
		return err
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails
	_, err = fmt.Fprintln(f, hex.EncodeToString(random))
	return cmp.Or(err, f.Sync(), f.Close())
}
