package runner

import (
	"context"
	"io"
	"net"
)

// ServeWithPresence is Serve with the booting parent's pipe, which Run takes from the environment.
func (r *Runner) ServeWithPresence(ctx context.Context, t Ticket, ln net.Listener, presence io.ReadCloser) error {
	return r.serve(ctx, t, ln, presence)
}
