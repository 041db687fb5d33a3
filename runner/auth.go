package runner

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"
)

// errToken is all that a caller learns about its token.
var errToken = errors.New("this machine's token is needed")

// authorised serves as next does, to requests that show token as their bearer token (RFC 6750
// section 2.1). All others are refused, in the form of the protocol they speak; to plain HTTP and
// unary Connect that is status 401. The header does not reach next, so that nothing can log it.
func authorised(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	refusals := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		shown, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(shown)) // of equal length, whatever was shown
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			_ = refusals.Write(w, q, connect.NewError(connect.CodeUnauthenticated, errToken)) // a caller that does not read misses it
			return
		}
		q.Header.Del("Authorization")
		next.ServeHTTP(w, q)
	})
}
