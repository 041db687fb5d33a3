package ingest

import (
	"encoding/binary"
	"math"
	"strings"
)

// Limits on one message's AMF0. What ffmpeg and OBS send has a depth of 2 and some 50 nodes.
const (
	maxAMFDepth = 8
	maxAMFNodes = 512
)

// AMF0 type markers (AMF 0 specification, 2.1).
const (
	amfNumber      = 0x00
	amfBoolean     = 0x01
	amfString      = 0x02
	amfObject      = 0x03
	amfNull        = 0x05
	amfUndefined   = 0x06
	amfReference   = 0x07
	amfECMAArray   = 0x08
	amfObjectEnd   = 0x09
	amfStrictArray = 0x0a
	amfDate        = 0x0b
	amfLongString  = 0x0c
	amfUnsupported = 0x0d
	amfXML         = 0x0f
	amfTypedObject = 0x10
	amfSwitchAMF3  = 0x11
)

// decodeAMF0 decodes all values of b, within the limits above. Numbers and dates become float64,
// objects and ECMA arrays map[string]any, strict arrays []any, strings valid UTF-8; null,
// undefined and references become nil. Memory is bounded by a small multiple of len(b). Errors
// are GuardErrors.
func decodeAMF0(b []byte) ([]any, error) {
	d := amfDecoder{b: b, size: len(b)}
	var values []any
	for len(d.b) > 0 {
		v, err := d.value(1)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// amfDecoder reads values off the front of b.
type amfDecoder struct {
	b     []byte
	size  int // of the whole message, for error texts
	nodes int
}

func (d *amfDecoder) value(depth int) (any, error) {
	if depth > maxAMFDepth {
		return nil, fault(FaultLimit, "AMF0 nested deeper than %d", maxAMFDepth)
	}
	if d.nodes++; d.nodes > maxAMFNodes {
		return nil, fault(FaultLimit, "AMF0 of more than %d values in one message", maxAMFNodes)
	}
	marker, err := d.take(1)
	if err != nil {
		return nil, err
	}
	switch marker[0] {
	case amfNumber:
		return d.number()
	case amfBoolean:
		v, err := d.take(1)
		return err == nil && v[0] != 0, err
	case amfString:
		return d.string(2)
	case amfLongString, amfXML:
		return d.string(4)
	case amfNull, amfUndefined, amfUnsupported:
		return nil, nil
	case amfReference:
		_, err := d.take(2)
		return nil, err
	case amfDate:
		v, err := d.number()
		if err != nil {
			return nil, err
		}
		_, err = d.take(2) // time zone: "reserved, not supported, should be set to 0x0000"
		return v, err
	case amfObject:
		return d.properties(depth)
	case amfTypedObject:
		if _, err := d.string(2); err != nil {
			return nil, err
		}
		return d.properties(depth)
	case amfECMAArray:
		if _, err := d.count(); err != nil { // a hint only: what counts is the end marker
			return nil, err
		}
		return d.properties(depth)
	case amfStrictArray:
		return d.array(depth)
	case amfSwitchAMF3:
		return nil, fault(FaultUnsupported, "AMF3 value in an AMF0 message")
	default:
		return nil, fault(FaultProtocol, "AMF0 has no type 0x%02x", marker[0])
	}
}

func (d *amfDecoder) properties(depth int) (map[string]any, error) {
	object := make(map[string]any)
	for {
		key, err := d.string(2)
		if err != nil {
			return nil, err
		}
		if key == "" && len(d.b) > 0 && d.b[0] == amfObjectEnd {
			d.b = d.b[1:]
			return object, nil
		}
		if object[key], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
}

func (d *amfDecoder) array(depth int) ([]any, error) {
	n, err := d.count()
	if err != nil {
		return nil, err
	}
	var array []any // grows with what really comes
	for range n {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	return array, nil
}

// count reads an element count. Each element takes a byte at least, so that a count beyond the
// bytes that are left is a lie, found before anything is allocated by it.
func (d *amfDecoder) count() (int, error) {
	b, err := d.take(4)
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(d.b)) {
		return 0, fault(FaultLimit, "AMF0 array of %d elements in a message of %d bytes", n, d.size)
	}
	return int(n), nil
}

func (d *amfDecoder) number() (float64, error) {
	b, err := d.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

// string reads a string behind its length in width bytes (2 or 4).
func (d *amfDecoder) string(width int) (string, error) {
	b, err := d.take(width)
	if err != nil {
		return "", err
	}
	n := uint32(binary.BigEndian.Uint16(b))
	if width == 4 {
		n = binary.BigEndian.Uint32(b)
	}
	if uint64(n) > uint64(len(d.b)) {
		return "", fault(FaultProtocol, "AMF0 string of %d bytes in a message of %d bytes", n, d.size)
	}
	b, err = d.take(int(n))
	return strings.ToValidUTF8(string(b), "\uFFFD"), err
}

func (d *amfDecoder) take(n int) ([]byte, error) {
	if len(d.b) < n {
		return nil, fault(FaultProtocol, "AMF0 cut off at the end of a message of %d bytes", d.size)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b, nil
}

// The encoding half: only what the guard's dialect and status messages need.

func appendAMFNumber(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, amfNumber), math.Float64bits(v))
}

func appendAMFString(b []byte, s string) []byte {
	return appendAMFKey(append(b, amfString), s)
}

// appendAMFKey appends s without a type marker, as property names stand. What goes beyond the
// 65,535 bytes that a length of two can say is cut off.
func appendAMFKey(b []byte, s string) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// appendAMFStrings appends an object of string properties, given as name, value, name, value.
func appendAMFStrings(b []byte, pairs ...string) []byte {
	b = append(b, amfObject)
	for i := 0; i+1 < len(pairs); i += 2 {
		b = appendAMFString(appendAMFKey(b, pairs[i]), pairs[i+1])
	}
	return append(b, 0, 0, amfObjectEnd)
}
