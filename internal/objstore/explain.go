package objstore

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"

	"github.com/aws/smithy-go"
)

// explained is an error in an operator's words; the service's own are inside.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// reasons says what an operator can do something about, by the service's error code.
var reasons = map[string]string{
	"NoSuchBucket":                 "there is no such bucket",
	"InvalidAccessKeyId":           "the access key id is unknown there",
	"XAdminUserNotFound":           "the access key id is unknown there", // versitygw's word for it
	"SignatureDoesNotMatch":        "the secret access key does not belong to the access key id",
	"AccessDenied":                 "the access key may not write and read there",
	"PermanentRedirect":            "the bucket is in another region, or at another endpoint",
	"AuthorizationHeaderMalformed": "the bucket is in another region",
	"RequestTimeTooSkewed":         "this machine's clock is wrong",
}

// explain turns what the SDK says into one line. The SDK's text would lead through four layers, with
// request ids, before it comes to the point.
func explain(err error) error {
	return &explained{text: strings.Join(strings.Fields(reasonOf(err)), " "), err: err}
}

func reasonOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code := api.ErrorCode()
		if why, known := reasons[code]; known {
			return why + " (" + code + ")"
		}
		return "refused: " + code + ": " + api.ErrorMessage()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "its host name is not known: " + dns.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return "unreachable: " + call.Err.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
