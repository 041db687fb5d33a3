package hls

import (
	"fmt"
	"net/url"
	"strconv"
)

// Directives are what a media playlist's request asks for (the draft, 6.2.5).
// The zero value asks for the full playlist, at once.
type Directives struct {
	HasMSN  bool
	MSN     uint64 // wait for this segment
	HasPart bool   // only with HasMSN
	Part    uint64 // or rather for this part of it
	Skip    bool   // a delta update will do
}

// BadRequestError is a request that no state of the broadcast could answer.
type BadRequestError struct {
	Reason string
}

func (e *BadRequestError) Error() string { return "bad request: " + e.Reason }

// ParseDirectives reads _HLS_msn, _HLS_part and _HLS_skip. Its errors are
// *BadRequestError: a number that is none or does not fit 64 bits, a directive
// given twice, a part without its segment. Other parameters are ignored, and so
// is a value of _HLS_skip other than YES and v2: the full playlist is always a
// right answer, and v2 differs only where there are date ranges.
func ParseDirectives(q url.Values) (Directives, error) {
	var d Directives
	var err error
	if d.MSN, d.HasMSN, err = number(q, "_HLS_msn"); err != nil {
		return Directives{}, err
	}
	if d.Part, d.HasPart, err = number(q, "_HLS_part"); err != nil {
		return Directives{}, err
	}
	if d.HasPart && !d.HasMSN {
		return Directives{}, &BadRequestError{"_HLS_part without _HLS_msn"}
	}
	skip, _, err := single(q, "_HLS_skip")
	if err != nil {
		return Directives{}, err
	}
	d.Skip = skip == "YES" || skip == "v2"
	return d, nil
}

// number is a decimal-integer (4.2): digits alone, at most 2^64-1.
func number(q url.Values, name string) (uint64, bool, error) {
	text, ok, err := single(q, name)
	if !ok || err != nil {
		return 0, false, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false, &BadRequestError{fmt.Sprintf("%s is not a decimal integer", name)}
	}
	return n, true, nil
}

func single(q url.Values, name string) (string, bool, error) {
	switch v := q[name]; len(v) {
	case 0:
		return "", false, nil
	case 1:
		return v[0], true, nil
	default:
		return "", false, &BadRequestError{name + " is given more than once"}
	}
}
