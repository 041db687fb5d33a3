package backendtest_test

import (
	"testing"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
	"github.com/pharos-live/pharos/runner"
)

func TestMemory_IsABackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(t *testing.T) pool.Backend {
		b := backendtest.NewMemory(func() *runner.Runner { return runner.New(runner.Options{}) })
		t.Cleanup(b.Close)
		return b
	}, pool.Command{})
}
