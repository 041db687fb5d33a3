package runner

import (
	"encoding/json"

	"google.golang.org/protobuf/proto"
)

// encode returns v in the form that T, not the value in it, calls for, so that decode agrees.
func encode[T any](v T) ([]byte, error) {
	var form T // nil if T is an interface: what is in v has no say
	switch any(form).(type) {
	case []byte:
		return any(v).([]byte), nil
	case proto.Message:
		return proto.Marshal(any(v).(proto.Message))
	default:
		return json.Marshal(v)
	}
}

// decode is the inverse of encode.
func decode[T any](b []byte) (T, error) {
	var v T
	switch form := any(v).(type) {
	case []byte:
		return any(b).(T), nil
	case proto.Message: // a nil pointer, which still knows its type
		m := form.ProtoReflect().New().Interface()
		err := proto.Unmarshal(b, m)
		return m.(T), err
	default:
		err := json.Unmarshal(b, &v)
		return v, err
	}
}
