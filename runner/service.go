package runner

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/proto/pharos/runner/v1/runnerv1connect"
)

const (
	maxMessage  = 4 << 20 // bytes of one message to the runner's own service
	compressMin = 4 << 10 // bytes from which an answer is compressed: most are far smaller
)

// service is the runner as its parents see it.
type service struct{ r *Runner }

var _ runnerv1connect.RunnerServiceHandler = service{}

func newService(r *Runner) (string, http.Handler) {
	return runnerv1connect.NewRunnerServiceHandler(service{r}, connect.WithReadMaxBytes(maxMessage), connect.WithCompressMinBytes(compressMin))
}

// Hello implements RunnerService.
func (s service) Hello(_ context.Context, _ *connect.Request[runnerv1.HelloRequest]) (*connect.Response[runnerv1.HelloResponse], error) {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	return connect.NewResponse(&runnerv1.HelloResponse{
		Machine:   r.machine,
		Build:     BuildID(),
		Names:     r.namesLocked(),
		SlotsUsed: int32(len(r.work)),
		Slots:     int32(r.o.Slots),
		Retiring:  r.life.retiring,
	}), nil
}

// Start implements RunnerService. It returns once the work is ready or has ended.
func (s service) Start(ctx context.Context, q *connect.Request[runnerv1.StartRequest]) (*connect.Response[runnerv1.StartResponse], error) {
	w, err := s.r.admit(q.Msg) //nolint:contextcheck // work outlives the request that starts it
	if err != nil {
		return nil, err
	}
	select {
	case <-w.ready:
	case <-w.done:
	case <-s.r.left:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		// Nobody will learn that it is ready, even if it is by now.
		s.r.stop(w.id)
		return nil, callerGone(err)
	}
	answer := s.r.started(w)
	if answer == nil {
		return nil, connect.NewError(connect.CodeAborted, errors.New("the runner goes while the work is starting"))
	}
	return connect.NewResponse(answer), nil
}

// started returns what Start answers about w, or nil if that is still open. It is asked once.
func (r *Runner) started(w *work) *runnerv1.StartResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case w.isReady:
		out := w.out
		w.out = nil // it may be large, and w is remembered for long
		return &runnerv1.StartResponse{Result: &runnerv1.StartResponse_Running{Running: out}}
	case w.isDone:
		r.markReadLocked(w)
		return &runnerv1.StartResponse{Result: &runnerv1.StartResponse_Failure{Failure: w.failure}}
	default:
		return nil
	}
}

// Attend implements RunnerService. It returns when the caller goes away, or the runner.
func (s service) Attend(ctx context.Context, q *connect.Request[runnerv1.AttendRequest], stream *connect.ServerStream[runnerv1.AttendResponse]) error {
	if q.Msg.GetParent() == "" {
		return refuse(connect.CodeInvalidArgument, "attending takes a parent's id")
	}
	a := s.r.attend(q.Msg.GetParent())
	defer s.r.depart(a)
	for going := false; ; {
		news, changed := s.r.news(a)
		if news != nil {
			if err := stream.Send(news); err != nil {
				return err
			}
		}
		if going {
			return nil
		}
		select {
		case <-changed:
		case <-s.r.left:
			going = true // once more round, for the news that came with it
		case <-ctx.Done():
			return callerGone(ctx.Err())
		}
	}
}

// Wait implements RunnerService.
func (s service) Wait(ctx context.Context, q *connect.Request[runnerv1.WaitRequest]) (*connect.Response[runnerv1.WaitResponse], error) {
	w, err := s.r.find(q.Msg.GetWorkId())
	if err != nil {
		return nil, refuse(connect.CodeNotFound, "wait for %s: %w", q.Msg.GetWorkId(), err)
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		return nil, callerGone(ctx.Err())
	case <-s.r.left:
		select {
		case <-w.done: // it ended, and for that reason the runner goes
		default:
			return nil, connect.NewError(connect.CodeAborted, errors.New("the runner goes while the work still runs"))
		}
	}
	return connect.NewResponse(&runnerv1.WaitResponse{Failure: s.r.result(w)}), nil
}

// Stop implements RunnerService.
func (s service) Stop(_ context.Context, q *connect.Request[runnerv1.StopRequest]) (*connect.Response[runnerv1.StopResponse], error) {
	s.r.stop(q.Msg.GetWorkId())
	return connect.NewResponse(&runnerv1.StopResponse{}), nil
}

// Retire implements RunnerService.
func (s service) Retire(_ context.Context, q *connect.Request[runnerv1.RetireRequest]) (*connect.Response[runnerv1.RetireResponse], error) {
	return connect.NewResponse(&runnerv1.RetireResponse{Retired: s.r.retire(q.Msg.GetIfIdle())}), nil
}

// callerGone is the answer to nobody, with the code that fits why.
func callerGone(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return connect.NewError(connect.CodeDeadlineExceeded, err)
	}
	return connect.NewError(connect.CodeCanceled, err)
}
