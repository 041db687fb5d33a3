//go:build !unix

package runner

import (
	"errors"
	"os"
)

// inheritedPipe needs descriptors that processes inherit by number.
func inheritedPipe(int) (*os.File, error) {
	return nil, errors.ErrUnsupported
}
