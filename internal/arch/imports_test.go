package arch_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pharos-live/pharos"

// allowed says what each part may import of this module; "*" is everything but
// cmd. A part is a folder and all below it, unless a longer one is listed.
var allowed = map[string][]string{
	"runner":                         {"proto/pharos/runner"},
	"runner/broadcast":               {"runner", "runner/ffmpeg", "runner/packager", "internal", "proto"},
	"runner/packager":                {"internal/hls", "internal/objstore", "internal/hevc"},
	"runner/ffmpeg":                  {},
	"pool":                           {"runner", "proto/pharos/runner"},
	"pool/backendtest":               {"pool", "runner", "proto", "internal/memhttp"},
	"backends":                       {"pool", "runner", "proto"},
	"proto":                          {"proto"},
	"ingest":                         {"pool", "internal", "proto"},
	"ingest/rtmptest":                {},
	"web":                            {"internal", "proto"},
	"internal/wire":                  {"runner", "proto", "internal/hls"},
	"internal/hls":                   {},
	"internal/registry":              {},
	"internal/objstore":              {},
	"internal/serve":                 {},
	"internal/memhttp":               {},
	"internal/reap":                  {"internal/hls", "internal/objstore"},
	"internal/streamkey":             {"internal/objstore"},
	"internal/avc":                   {},
	"internal/hevc":                  {},
	"internal/journal":               {"internal/hls", "internal/objstore", "internal/wire", "proto"},
	"internal/replay":                {"internal/hls", "internal/journal", "internal/objstore"},
	"internal/settle":                {"internal/hls", "internal/registry", "internal/wire"},
	"internal/keeper":                {"internal/hls", "internal/journal", "internal/objstore", "internal/registry", "internal/replay", "internal/settle", "internal/wire"},
	"internal/arch":                  {},
	"internal/registry/registrytest": {"internal/registry", "internal/memhttp"},
	"internal/objstore/objstoretest": {"internal/objstore"},
	"cmd":                            {"*"},
	"internal/e2e":                   {"*"},
	"internal/bench":                 {"*"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all = append(all, p)
	}
}

func below(path, part string) bool { return path == part || strings.HasPrefix(path, part+"/") }

// partOf finds the longest listed part that path lies in.
func partOf(path string) (string, bool) {
	best, found := "", false
	for part := range allowed {
		if below(path, part) && len(part) >= len(best) {
			best, found = part, true
		}
	}
	return best, found
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		part, ok := partOf(path)
		if !ok {
			t.Errorf("%s stands in no part that the map knows: add it to the map and here", path)
			continue
		}
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			if below(to, "cmd") {
				t.Errorf("%s imports %s: nothing imports cmd", path, to)
			}
			if !permitted(part, to) {
				t.Errorf("%s imports %s: %s may import %v of this module", path, to, part, allowed[part])
			}
		}
	}
}

// permitted says whether part may import to. "runner" alone means the package
// itself: what lies below it has rules of its own.
func permitted(part, to string) bool {
	if inner, ok := partOf(to); ok && inner == part {
		return true
	}
	return slices.ContainsFunc(allowed[part], func(a string) bool {
		return a == "*" || to == a || below(to, a) && a != "runner"
	})
}

// TestLibraryCarriesLittle holds what a program that imports the library is
// made to link: the standard library, Connect, protobuf and x/sync.
func TestLibraryCarriesLittle(t *testing.T) {
	t.Parallel()
	free := []string{module, "connectrpc.com/connect", "google.golang.org/protobuf", "golang.org/x/sync"}
	for _, p := range list(t, "./pool", "./runner", "./backends/local") {
		for _, dep := range p.Deps {
			first, _, _ := strings.Cut(dep, "/")
			if !strings.Contains(first, ".") {
				continue // the standard library
			}
			if !slices.ContainsFunc(free, func(f string) bool { return below(dep, f) }) {
				t.Errorf("%s makes its importers carry %s", p.ImportPath, dep)
			}
		}
	}
}

func TestHLSIsPure(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./internal/hls") {
		for _, dep := range p.Deps {
			if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") && !strings.HasPrefix(dep, "vendor/") {
				t.Errorf("%s depends on %s: standard library only", p.ImportPath, dep)
			}
		}
		for _, banned := range []string{"net", "net/http", "os"} {
			if slices.Contains(p.Imports, banned) {
				t.Errorf("%s imports %s: no I/O", p.ImportPath, banned)
			}
		}
	}
}
