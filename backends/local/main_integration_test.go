//go:build integration

package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pharos-live/pharos/backends/local"
	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/runner"
)

// What this test binary is when it is not the tests: a runner, if a backend has started
// it; or a parent that boots a machine in the directory that parentEnv names.
const (
	parentEnv = "PHAROS_LOCAL_TEST_PARENT"
	dieEnv    = "PHAROS_LOCAL_TEST_DIE"
)

func TestMain(m *testing.M) {
	ticket, ok, err := runner.TicketFromEnv()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case ok && os.Getenv(dieEnv) != "":
		fmt.Println("first line")
		fmt.Fprint(os.Stderr, "no encoder here")
		os.Exit(3)
	case ok:
		os.Exit(runRunner(ticket))
	case os.Getenv(parentEnv) != "":
		runParent(os.Getenv(parentEnv))
	}
	os.Exit(m.Run())
}

// process tells about the process that a job runs in.
var process = runner.DefineJob[string, processInfo]("process")

type processInfo struct {
	PID int
	Env []string
}

func runRunner(t runner.Ticket) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	r := runner.New(runner.Options{Slots: 3, Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))})
	runner.HandleJob(r, process, func(ctx context.Context, _ string, ready func(processInfo)) error {
		ready(processInfo{PID: os.Getpid(), Env: os.Environ()})
		<-ctx.Done()
		return nil
	})
	r.Mount("/hello", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello from "+strconv.Itoa(os.Getpid()))
	}))
	r.Mount("/hang", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-q.Context().Done()
	}))
	if err := r.Run(ctx, t); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runParent places a job, prints the process id of its machine, and waits to be killed.
func runParent(dir string) {
	b, err := local.New(local.Options{Dir: dir, Output: io.Discard})
	if err == nil {
		var p *pool.Pool
		if p, err = pool.New(b, pool.Options{}); err == nil {
			go func() { _ = p.Run(context.Background()) }()
			var pl *pool.Placement[processInfo]
			if pl, err = pool.Place(context.Background(), p, process, ""); err == nil {
				fmt.Println(pl.Value.PID)
				time.Sleep(time.Hour)
			}
		}
	}
	fmt.Fprintln(os.Stderr, errors.Join(errors.New("parent"), err))
	os.Exit(1)
}
