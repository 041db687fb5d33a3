package runner_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/runner"
)

// panics returns what f panics with, as text; "" if it does not.
func panics(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text, _ = v.(string)
		}
	}()
	f()
	return ""
}

func TestDefineJob(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"broadcast", "a/b.c-d_e", "7", strings.Repeat("x", 100)} {
		if got := runner.DefineJob[int, int](name).Name(); got != name {
			t.Errorf("Name() = %q, want %q", got, name)
		}
	}
	for _, name := range []string{"", " ", "a b", "-a", "ä", "a\n", strings.Repeat("x", 101)} {
		if got := panics(func() { runner.DefineJob[int, int](name) }); !strings.Contains(got, "must match") {
			t.Errorf("DefineJob(%q) panics with %q, want it to say what names must match", name, got)
		}
	}
}

func TestJobCodec(t *testing.T) {
	t.Parallel()
	type point struct{ X, Y int }
	message := &runnerv1.Failure{Message: "m", Panic: true}

	roundTrip(t, "bytes cross as they are", []byte{0, 0xff}, "\x00\xff")
	roundTrip(t, "no bytes", []byte{}, "")
	roundTrip(t, "a message crosses as protobuf", message, "\x0a\x01m\x10\x01")
	roundTrip(t, "an empty message", &runnerv1.Failure{}, "")
	roundTrip(t, "a struct crosses as JSON", point{1, 2}, `{"X":1,"Y":2}`)
	roundTrip(t, "a pointer to a struct", &point{1, 2}, `{"X":1,"Y":2}`)
	roundTrip(t, "text", "ä", `"ä"`)
	roundTrip(t, "nothing", struct{}{}, `{}`)
	roundTrip[any](t, "the static type decides, not the value", "x", `"x"`)
}

func roundTrip[T any](t *testing.T, name string, v T, wire string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		j := runner.DefineJob[T, T]("j")
		check := func(encode func(T) ([]byte, error), decode func([]byte) (T, error)) {
			b, err := encode(v)
			if err != nil || string(b) != wire {
				t.Fatalf("encoded %q, %v; want %q", b, err, wire)
			}
			got, err := decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v, got, protocmp.Transform()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		}
		check(j.EncodeIn, j.DecodeIn)
		check(j.EncodeOut, j.DecodeOut)
	})
}

func TestJobCodec_ErrorsNameTheJob(t *testing.T) {
	t.Parallel()
	j := runner.DefineJob[*runnerv1.Failure, func()]("odd")
	_, inErr := j.DecodeIn([]byte{0xff})
	_, outErr := j.EncodeOut(func() {})
	_, decErr := j.DecodeOut([]byte("{"))
	_, encErr := runner.DefineJob[chan int, int]("odd").EncodeIn(nil)
	for want, err := range map[string]error{
		"decode input of job odd: ":       inErr,
		"encode ready value of job odd: ": outErr,
		"decode ready value of job odd: ": decErr,
		"encode input of job odd: ":       encErr,
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q…", err, want)
		}
	}
}

func TestHandleJob_PanicsOnMistakes(t *testing.T) {
	t.Parallel()
	j := runner.DefineJob[int, int]("j")
	h := func(context.Context, int, func(int)) error { return nil }
	for want, f := range map[string]func(){
		"job j is bound twice": func() {
			r := runner.New(runner.Options{})
			runner.HandleJob(r, j, h)
			runner.HandleJob(r, j, h)
		},
		"nil function":                   func() { runner.HandleJob(runner.New(runner.Options{}), j, nil) },
		"that DefineJob did not make":    func() { runner.HandleJob(runner.New(runner.Options{}), runner.Job[int, int]{}, h) },
		"negative option: slots -1":      func() { runner.New(runner.Options{Slots: -1}) },
		"negative option: slots 0, shut": func() { runner.New(runner.Options{Orphan: -1}) },
	} {
		if got := panics(f); !strings.Contains(got, want) {
			t.Errorf("panics with %q, want %q in it", got, want)
		}
	}
}
