package runner

import (
	"context"
	"fmt"
	"regexp"
)

// jobName is what names look like: they stand in logs, errors and lists of names.
var jobName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`)

// A Job names work that lives on. It holds one slot of a runner until its function returns.
//
// It is a name and two types, no more, so that the side that starts the work links none of its
// implementation. In and Out cross as they are if []byte, as protobuf if a pointer to a generated
// message, and as JSON otherwise; the choice follows the static type.
type Job[In, Out any] struct{ name string }

// DefineJob makes the Job of that name: up to 100 letters, digits, dots, dashes, slashes and
// underscores, the first a letter or digit. It panics on any other name.
func DefineJob[In, Out any](name string) Job[In, Out] {
	if !jobName.MatchString(name) {
		panic(fmt.Sprintf("runner: job name %q must match %s", name, jobName))
	}
	return Job[In, Out]{name: name}
}

// Name returns the name that j was defined with.
func (j Job[In, Out]) Name() string { return j.name }

// EncodeIn returns in as it crosses to the runner. A []byte is not copied.
func (j Job[In, Out]) EncodeIn(in In) ([]byte, error) {
	b, err := encode(in)
	if err != nil {
		return nil, fmt.Errorf("encode input of job %s: %w", j.name, err)
	}
	return b, nil
}

// DecodeIn is the inverse of EncodeIn. A []byte is not copied.
func (j Job[In, Out]) DecodeIn(b []byte) (In, error) {
	in, err := decode[In](b)
	if err != nil {
		return in, fmt.Errorf("decode input of job %s: %w", j.name, err)
	}
	return in, nil
}

// EncodeOut returns the ready value out as it crosses to the parent. A []byte is not copied.
func (j Job[In, Out]) EncodeOut(out Out) ([]byte, error) {
	b, err := encode(out)
	if err != nil {
		return nil, fmt.Errorf("encode ready value of job %s: %w", j.name, err)
	}
	return b, nil
}

// DecodeOut is the inverse of EncodeOut. A []byte is not copied.
func (j Job[In, Out]) DecodeOut(b []byte) (Out, error) {
	out, err := decode[Out](b)
	if err != nil {
		return out, fmt.Errorf("decode ready value of job %s: %w", j.name, err)
	}
	return out, nil
}

// HandleJob binds h to j on r. It panics if a function is bound to that name already, or if r runs.
//
// h runs on a goroutine of its own for every piece of work. It calls ready once, with what the
// parent's Place returns, and then goes on until it is done or ctx ends; context.Cause(ctx) is then
// ErrStopped, ErrOrphaned or ErrShutdown. Later calls of ready change nothing, nor does one after h
// has returned. Returning before ready fails the work, with h's error if there is one. If the ready
// value cannot be encoded, the work fails with that error, which is then also the cause of ctx's end.
func HandleJob[In, Out any](r *Runner, j Job[In, Out], h func(ctx context.Context, in In, ready func(Out)) error) {
	if h == nil {
		panic("runner: HandleJob of " + j.name + " with a nil function")
	}
	r.bind(j.name, func(ctx context.Context, input []byte, ready func([]byte, error)) error {
		in, err := j.DecodeIn(input)
		if err != nil {
			return err
		}
		return h(ctx, in, func(out Out) { ready(j.EncodeOut(out)) })
	})
}
