package serve

import (
	"context"
	"errors"
	"net/http"
)

// ErrStopping is the cause of contexts that end because their process is being stopped.
var ErrStopping = errors.New("the server is stopping")

// EndOnShutdown serves as h does, in request contexts that also end, with the cause
// ErrStopping, when ctx ends. It is for long polls, whose clients reconnect elsewhere: waiting
// for them would use up the grace period of HTTP. ctx is the one that HTTP was given.
func EndOnShutdown(ctx context.Context, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		stop := context.AfterFunc(ctx, func() { cancel(ErrStopping) })
		defer stop()
		h.ServeHTTP(w, r.WithContext(request)) //nolint:contextcheck // the request's context is inherited, ctx only ends it
	})
}
