package pool

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
)

const (
	// stopTimeout bounds one request to stop.
	stopTimeout = 2 * time.Second
	// quietTimeout is how long a failed call waits for its machine to be known as lost:
	// longer than it takes the pings to notice.
	quietTimeout = 3 * time.Second
)

// errForgotten says that a runner no longer knows how work ended.
var errForgotten = errors.New("its runner does not know the work")

// follow waits for t's end and gives its slot back.
func (p *Pool) follow(t *work) { p.free(t, p.result(t)) }

// result waits for t's end: nil, *RemoteError or *LostError.
func (p *Pool) result(t *work) error {
	ctx := p.living
	for {
		resp, err := t.machine.link.rpc.Wait(ctx, connect.NewRequest(&runnerv1.WaitRequest{WorkId: string(t.id)}))
		switch {
		case err == nil && resp.Msg.GetFailure() == nil:
			return nil
		case err == nil:
			return remote(t.id, resp.Msg.GetFailure())
		case connect.IsWireError(err) && connect.CodeOf(err) == connect.CodeNotFound:
			return p.lost(t.machine, StartedYes, errForgotten)
		}
		t.breaks()
		if p.awaitQuiet(context.WithoutCancel(ctx), t.machine) {
			return p.lost(t.machine, StartedYes, err)
		}
	}
}

// abandon has t end, if it runs, and then gives its slot back.
func (p *Pool) abandon(t *work) {
	p.stopQuietly(t)
	p.free(t, p.result(t))
}

// stop asks t's runner to end it.
func (p *Pool) stop(ctx context.Context, t *work) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	_, err := t.machine.link.rpc.Stop(ctx, connect.NewRequest(&runnerv1.StopRequest{WorkId: string(t.id)}))
	return err
}

// stopQuietly is stop for work that nobody has in hand. Where it fails, the machine
// is lost, and the work ends with its parent's stream.
func (p *Pool) stopQuietly(t *work) {
	if err := p.stop(p.living, t); err != nil {
		t.machine.log.Debug("work not stopped", "work", string(t.id), "error", err)
	}
}

// awaitQuiet waits until nothing runs on m any more, which is when its exit is known.
// It reports whether that is so.
func (p *Pool) awaitQuiet(ctx context.Context, m *machine) bool {
	timer := time.NewTimer(quietTimeout)
	defer timer.Stop()
	select {
	case <-m.quiet:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// askToRetire asks m's runner to take no more work, with ifIdle only where it has none.
func (p *Pool) askToRetire(ctx context.Context, m *machine, ifIdle bool) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, retireTimeout)
	defer cancel()
	resp, err := m.link.rpc.Retire(ctx, connect.NewRequest(&runnerv1.RetireRequest{IfIdle: ifIdle}))
	if err != nil {
		return false, err
	}
	return resp.Msg.GetRetired(), nil
}
