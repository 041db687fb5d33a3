package runner

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
)

// BuildID returns the build id of the running executable, as BuildIDOf does; the file is read once.
// Where it cannot be read, the id is a random one, which matches no other process.
func BuildID() string { return buildID() }

var buildID = sync.OnceValue(func() string {
	path, err := executable()
	if err == nil {
		var id string
		if id, err = BuildIDOf(path); err == nil {
			return id
		}
	}
	return "unreadable:" + rand.Text()
})

// executable returns a path to the file that this process runs. On Linux it is the link that goes on
// naming that file after a deploy has put another in its place.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// BuildIDOf returns the build id of an executable: the one that the Go linker wrote near the file's
// head, else "sha256:" and the hash of the whole file. It fails only if the file cannot be read.
func BuildIDOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read build id: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	if id := elfBuildID(f); id != "" {
		return id, nil
	}
	if id := markedBuildID(f); id != "" {
		return id, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read build id: %w", err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

const (
	goNoteType = 4       // the type of the linker's build id among the notes named "Go"
	maxNotes   = 1 << 16 // bytes of one note segment that are looked at
	maxHead    = 1 << 16 // bytes of the file in which the marker is looked for
)

// elfBuildID returns the Go build id among the notes of an ELF file, or "".
func elfBuildID(f io.ReaderAt) string {
	file, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	for _, p := range file.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes := make([]byte, min(p.Filesz, maxNotes))
		n, _ := p.ReadAt(notes, 0) // what a short file does hold may still be whole
		if id := goNote(notes[:n], file); id != "" {
			return id
		}
	}
	return ""
}

// goNote finds the Go build id in a note segment: each note is the sizes of its name and its
// description and its type, four bytes each, then the two, each padded to four bytes.
func goNote(b []byte, file *elf.File) string {
	for len(b) >= 12 {
		nameSize, descSize := uint64(file.ByteOrder.Uint32(b)), uint64(file.ByteOrder.Uint32(b[4:]))
		kind := file.ByteOrder.Uint32(b[8:])
		desc := 12 + pad4(nameSize)
		end := desc + pad4(descSize)
		if end > uint64(len(b)) {
			return ""
		}
		if kind == goNoteType && string(b[12:12+nameSize]) == "Go\x00\x00" {
			return string(b[desc : desc+descSize])
		}
		b = b[end:]
	}
	return ""
}

func pad4(n uint64) uint64 { return (n + 3) &^ 3 }

// markedBuildID returns the id that the linker writes in plain sight at the start of the code of
// formats without notes (Mach-O, PE), or "".
func markedBuildID(f io.ReaderAt) string {
	head := make([]byte, maxHead)
	n, _ := f.ReadAt(head, 0) // most files are longer, some are shorter; both are fine
	_, rest, ok := bytes.Cut(head[:n], []byte("\xff Go build ID: "))
	if !ok {
		return ""
	}
	quoted, _, ok := bytes.Cut(rest, []byte("\n \xff"))
	if !ok {
		return ""
	}
	id, err := strconv.Unquote(string(quoted))
	if err != nil {
		return ""
	}
	return id
}
