package registry_test

import (
	"testing"

	"github.com/pharos-live/pharos/internal/registry/registrytest"
)

func TestRegistry_InMemory(t *testing.T) {
	t.Parallel()
	registrytest.RunInBubbles(t, registrytest.Mini)
}
