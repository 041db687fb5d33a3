package pool_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/proto/pharos/runner/v1/runnerv1connect"
	"github.com/pharos-live/pharos/runner"
)

// occupy has another parent fill the machine, with work that ends when the test does.
func occupy(g *rig, launch string, key []byte) {
	g.Helper()
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(launch))
	token := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	t := &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return g.backend.Dial(ctx, pool.Machine{Launch: launch})
	}}
	c := runnerv1connect.NewRunnerServiceClient(&http.Client{Transport: t}, "http://"+launch, connect.WithInterceptors(
		connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
			return func(ctx context.Context, q connect.AnyRequest) (connect.AnyResponse, error) {
				q.Header().Set("Authorization", "Bearer "+token)
				return next(ctx, q)
			}
		})))
	q := connect.NewRequest(&runnerv1.AttendRequest{Parent: "another"})
	q.Header().Set("Authorization", "Bearer "+token)
	stream, err := c.Attend(context.Background(), q)
	if err != nil || !stream.Receive() {
		g.Fatalf("attend: %v", errors.Join(err, stream.Err()))
	}
	go func() {
		for stream.Receive() { // until the machine ends
		}
		t.CloseIdleConnections()
	}()
	for i := 0; ; i++ {
		_, err := c.Start(context.Background(), connect.NewRequest(&runnerv1.StartRequest{
			WorkId: "other" + string(rune('a'+i)), Build: runner.BuildID(), Name: hold.Name(), Input: []byte(`"until stopped"`), Parent: "another",
		}))
		if connect.CodeOf(err) == connect.CodeResourceExhausted {
			break
		}
		if err != nil {
			g.Fatalf("occupy: %v", err)
		}
	}
}

func TestDeath_EndsPlacementsAndServesTheQueueAgain(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 1}, func(g *rig) {
		pl := g.place(untilStopped)
		waits := g.placing(context.Background(), untilStopped)
		exit := pool.Exit{Code: -1, Signal: "killed", Tail: []string{"last words"}}
		began := time.Now()
		g.backend.Kill(pl.Machine(), exit)
		le := isError[*pool.LostError](g.T, pl.Wait(context.Background()))
		if diff := cmp.Diff(&exit, le.Exit); diff != "" {
			g.Errorf("exit (-want +got):\n%s", diff)
		}
		if le.Started != pool.StartedYes || le.Machine != pl.Machine() {
			g.Errorf("got %+v, want machine %s and started", le, pl.Machine())
		}
		r := <-waits
		if r.err != nil || r.pl.Machine() == pl.Machine() {
			g.Errorf("who waited: got %+v, want a placement on another machine", r)
		}
		if got := time.Since(began); got > time.Second {
			g.Errorf("took %s, want less than 1 s", got)
		}
		if got := g.kinds(pool.MachineLost, pool.MachineRetired); len(got) != 1 || got[0] != pool.MachineLost {
			g.Errorf("got events %v, want one loss", got)
		}
	})
}

func TestDeath_UnderAStartIsNeverRunTwice(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 1}, func(g *rig) {
		starts := g.placing(context.Background(), slow)
		time.Sleep(time.Second)
		g.backend.Kill(g.machines()[0].Launch, pool.Exit{Code: -1, Signal: "killed"})
		le := isError[*pool.LostError](g.T, (<-starts).err)
		if le.Started != pool.StartedMaybe || le.Exit == nil {
			g.Errorf("got %+v, want started maybe, and the exit", le)
		}
		if got := g.boots(); got != 1 {
			g.Errorf("got %d boots, want no second attempt", got)
		}
	})
}

func TestFreeze_IsNoticedWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, pool.Options{Concurrency: 1}, runner.Options{}, true)
		pl := g.place(untilStopped)
		c, url := pl.Client()
		resp, err := c.Get(url + "/hang/")
		if err != nil {
			t.Fatalf("get: %v", err)
		}
		defer resp.Body.Close() //nolint:errcheck // Only read.
		began := time.Now()
		g.backend.Freeze(pl.Machine())
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("got a whole body from a frozen runner")
		}
		if got := time.Since(began); got > 2*time.Second {
			t.Errorf("the client noticed after %s, want 2 s at most", got)
		}
		isError[*pool.LostError](t, pl.Wait(context.Background()))
		if got := time.Since(began); got > 2500*time.Millisecond {
			t.Errorf("the pool noticed after %s, want 2.5 s at most", got)
		}
		g.place(untilStopped)
		g.end()
	})
}

func TestShutdownOfARunner_DrainsItAndIsNoLoss(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{Concurrency: 1, Max: 2}, func(g *rig) {
		pl := g.place(untilStopped)
		// What a platform does: the runner's context ends, and its work is told.
		launch := pl.Machine()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := g.backend.Destroy(ctx, pool.Machine{Launch: launch}); err != nil {
			g.Fatalf("destroy: %v", err)
		}
		re := isError[*pool.RemoteError](g.T, pl.Wait(context.Background()))
		if want := runner.ErrShutdown.Error(); re.Message != want {
			g.Errorf("got %q, want %q", re.Message, want)
		}
		if next := g.place(untilStopped, pool.NoWait()); next.Machine() == launch {
			g.Error("placed on the machine that is gone")
		}
		if got := g.kinds(pool.MachineLost); len(got) != 0 {
			g.Errorf("got events %v, want no loss", got)
		}
	})
}

func TestDestroy_IsTriedUntilItIsAccepted(t *testing.T) {
	t.Parallel()
	bubble(t, pool.Options{IdleAfter: time.Second, Concurrency: 1}, func(g *rig) {
		g.backend.Script(backendtest.Boot{}, backendtest.Boot{})
		g.finish(g.place(untilStopped))
		g.backend.FailDestroy(errBoot, errBoot)
		time.Sleep(10 * time.Second)
		if got := g.kinds(pool.MachineRetired, pool.MachineGone); len(got) != 2 {
			g.Errorf("got events %v, want retired and gone", got)
		}
		g.place(untilStopped, pool.NoWait())
	})
}

func TestLedger_SharedByTwoPoolsHoldsTheMaximumForBoth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := pool.Options{Max: 1, Concurrency: 1, IdleAfter: time.Second, Ledger: pool.NewMemoryLedger()}
		a, b := newRig(t, o, runner.Options{Slots: 1}, false), newRig(t, o, runner.Options{Slots: 1}, false)
		pl := a.place(untilStopped)
		if _, err := b.tryPlace(untilStopped, pool.NoWait()); !errors.Is(err, pool.ErrNoCapacity) {
			t.Errorf("got %v, want ErrNoCapacity", err)
		}
		waits := b.placing(context.Background(), untilStopped)
		time.Sleep(time.Minute)
		b.nothing(waits)
		if got := b.boots(); got != 0 {
			t.Errorf("got %d boots of the second pool, want none", got)
		}
		a.finish(pl)
		if r := <-waits; r.err != nil {
			t.Errorf("who waited: %v", r.err)
		}
		a.end()
		b.end()
	})
}

func TestEvents_BeyondTheBoundAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		b := backendtest.NewMemory(newRunner(runner.Options{}))
		p, err := pool.New(b, pool.Options{NoPing: true, Concurrency: 1, Event: func(pool.Event) { <-held }})
		if err != nil {
			t.Fatalf("new pool: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		if _, err := pool.Place(ctx, p, hold, untilStopped); err != nil {
			t.Fatalf("place: %v", err)
		}
		for range 1100 { // one event each
			if _, err := pool.Place(ctx, p, hold, untilStopped, pool.NoWait()); !errors.Is(err, pool.ErrNoCapacity) {
				t.Fatalf("got %v, want ErrNoCapacity", err)
			}
		}
		// Booting, ready and placed come before; one is being told, and 1024 wait.
		if got, want := p.Stats().Dropped, 1100+3-1-1024; got != want {
			t.Errorf("got %d dropped, want %d", got, want)
		}
		close(held)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		b.Close()
	})
}
