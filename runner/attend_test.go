package runner_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/runner"
)

func wantNews(t *testing.T, p presenceOf, want *runnerv1.AttendResponse) {
	t.Helper()
	if diff := cmp.Diff(want, p.next(t), protocmp.Transform()); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
}

func TestAttend_TellsEachChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		time.Sleep(3 * time.Second)
		p := g.attend("p1")
		wantNews(t, p, &runnerv1.AttendResponse{Idle: durationpb.New(3 * time.Second)})
		time.Sleep(time.Hour)
		p.quiet(t)

		g.running("hold", "w1")
		wantNews(t, p, &runnerv1.AttendResponse{SlotsUsed: 1})
		g.running("hold", "w2")
		wantNews(t, p, &runnerv1.AttendResponse{SlotsUsed: 2})
		g.stopWork("w1")
		wantNews(t, p, &runnerv1.AttendResponse{SlotsUsed: 1, Ended: []string{"w1"}})
		g.retire(false)
		wantNews(t, p, &runnerv1.AttendResponse{SlotsUsed: 1, Retiring: true})
		p.quiet(t)
		g.stopWork("w2")
		wantNews(t, p, &runnerv1.AttendResponse{Ended: []string{"w2"}, Retiring: true, Idle: durationpb.New(0)})
	})
}

func TestAttend_NoEndIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		_, second := g.dial(ticket.Token)
		_, third := g.dial(ticket.Token)
		one, other := g.attend("p1"), g.attendOver(second, "p2")
		one.next(t)
		other.next(t)
		g.running("hold", "w1")
		g.stopWork("w1")
		wantEnded := func(p presenceOf, want ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			for len(p.news) > 0 {
				got = append(got, p.next(t).GetEnded()...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
		}
		wantEnded(one, "w1")
		wantEnded(other) // it is not that parent's
		again := g.attendOver(third, "p1")
		wantEnded(again, "w1") // the former stream might have been dead
		g.running("hold", "w2")
		g.stopWork("w2")
		wantEnded(one, "w2")
		wantEnded(again, "w2")
		wantEnded(other)
	})
}

func TestAttend_NeedsAnID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), nil)
		stream, err := g.client.Attend(t.Context(), connect.NewRequest(&runnerv1.AttendRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive() {
			t.Errorf("got news %v", stream.Msg())
		}
		wantCode(t, stream.Err(), connect.CodeInvalidArgument)
		_ = stream.Close()
	})
}

func TestOrphans_EndWithTheirParentsLastStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		_, second := g.dial(ticket.Token)
		first, again, other := g.attend("p1"), g.attendOver(second, "p1"), g.attendOver(second, "p2")
		g.running("hold", "w1")
		if _, err := second.Start(t.Context(), connect.NewRequest(&runnerv1.StartRequest{
			WorkId: "w2", Build: runner.BuildID(), Name: "hold", Parent: "p2",
		})); err != nil {
			t.Fatal(err)
		}
		first.leave()
		synctest.Wait()
		if used := g.r.State().Used; used != 2 {
			t.Fatalf("%d in use while one stream is left, want 2", used)
		}
		again.leave()
		f, err := g.wait("w1")
		if err != nil || f.GetMessage() != runner.ErrOrphaned.Error() {
			t.Errorf("wait: %v, %v; want %v", f, err, runner.ErrOrphaned)
		}
		g.stays(time.Hour)
		if s := g.r.State(); s.Used != 1 || s.Work[0].ID != "w2" {
			t.Errorf("state %+v, want the other parent's work alone", s)
		}
		other.leave()
		g.endsAfter(time.Second, "")
	})
}

func TestOrphans_GetTheGraceToEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		tidy, ends time.Duration
		err        string
	}{
		"that ends in time":    {10 * time.Second, 10 * time.Second, ""},
		"that ends too late":   {time.Minute, 30 * time.Second, "tidy w1"},
		"that is quicker than": {time.Millisecond, time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := light(t, options(), bindTidy(tt.tidy))
				p := g.attend("p1")
				g.running("tidy", "w1")
				p.leave()
				g.endsAfter(tt.ends, tt.err)
				time.Sleep(time.Minute) // so that the goroutine ends
			})
		})
	}
}

// bindTidy binds "tidy", which takes d to end once it is told to.
func bindTidy(d time.Duration) func(*runner.Runner) {
	return func(r *runner.Runner) {
		runner.HandleJob(r, runner.DefineJob[[]byte, []byte]("tidy"), func(ctx context.Context, _ []byte, ready func([]byte)) error {
			ready(nil)
			<-ctx.Done()
			time.Sleep(d)
			return nil
		})
	}
}

func TestOrphans_AParentThatComesBackKeepsTheRunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindTidy(10*time.Second))
		g.attend("p1").leave()
		synctest.Wait()
		time.Sleep(900 * time.Millisecond)
		p := g.attend("p1")
		g.running("tidy", "w1")
		p.leave()
		time.Sleep(5 * time.Second)
		p = g.attend("p1")
		g.running("tidy", "w2")
		g.stays(time.Hour)
		if f, err := g.wait("w1"); f != nil || err != nil {
			t.Errorf("wait: %v, %v; want a good end", f, err)
		}
		if used := g.r.State().Used; used != 1 {
			t.Errorf("%d in use, want the new work alone", used)
		}
	})
}

// frozenConn is a connection whose peer is there and says nothing, once frozen.
type frozenConn struct {
	net.Conn
	frozen chan struct{}
	once   sync.Once
}

func (c *frozenConn) Write(p []byte) (int, error) {
	select {
	case <-c.frozen:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

func (c *frozenConn) freeze() { c.once.Do(func() { close(c.frozen) }) }

func TestPings_NoticeAFrozenParentWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, runner.Options{}, bindHold)
		var conn *frozenConn
		_, client := g.dialBy(ticket.Token, func(ctx context.Context) (net.Conn, error) {
			c, err := g.ln.Dial(ctx)
			conn = &frozenConn{Conn: c, frozen: make(chan struct{})}
			return conn, err
		})
		g.attendOver(client, "p1")
		g.running("hold", "w1") // over another connection
		g.stays(10 * time.Second)
		if used := g.r.State().Used; used != 1 {
			t.Fatalf("%d in use, want 1", used)
		}
		conn.freeze()
		from := time.Now()
		f, err := g.wait("w1")
		if err != nil || f.GetMessage() != runner.ErrOrphaned.Error() {
			t.Errorf("wait: %v, %v; want %v", f, err, runner.ErrOrphaned)
		}
		if took := time.Since(from); took > 2*time.Second {
			t.Errorf("noticed after %s, want 2s at most", took)
		}
		if _, err := g.ends(); err != nil {
			t.Error(err)
		}
	})
}

func TestOrphans_BeforeTheyAreReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		causes := make(chan error, 1)
		g := light(t, options(), func(r *runner.Runner) {
			runner.HandleJob(r, hold, func(ctx context.Context, _ []byte, _ func([]byte)) error {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return context.Cause(ctx)
			})
		})
		p := g.attend("p1")
		go func() {
			time.Sleep(time.Second)
			p.leave()
		}()
		res, err := g.start(t.Context(), "hold", "w1")
		if err != nil || res.GetFailure().GetMessage() != runner.ErrOrphaned.Error() {
			t.Errorf("start: %v, %v; want the failure %v", res, err, runner.ErrOrphaned)
		}
		if cause := <-causes; !errors.Is(cause, runner.ErrOrphaned) {
			t.Errorf("cause %v, want %v", cause, runner.ErrOrphaned)
		}
	})
}
