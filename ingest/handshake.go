package ingest

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
)

// What enhanced RTMP v2 adds to the command object of connect, and to the answer ("Enhancing
// NetConnection connect Command").
const (
	fourCCList     = "fourCcList"
	videoFourCCMap = "videoFourCcInfoMap"
	audioFourCCMap = "audioFourCcInfoMap"
	capsEx         = "capsEx"

	// FourCcInfoMask: what arrives is decoded for the rungs, and forwarded to viewers as it is.
	canDecode  = 1
	canForward = 4
)

// speaksEnhanced tells whether a client knows enhanced RTMP: one that does not gets the answer of old.
func speaksEnhanced(connect map[string]any) bool {
	for _, key := range []string{fourCCList, videoFourCCMap, audioFourCCMap, capsEx} {
		if connect[key] != nil {
			return true
		}
	}
	return false
}

// fourCCs returns the codecs of enhanced RTMP that a client names, each once: those of fourCcList (v1) in
// its order, then what videoFourCcInfoMap (v2) adds. go-rtmp drops both.
func fourCCs(connect map[string]any) []string {
	var codes []string
	add := func(code string) {
		if len(code) <= 4 && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	list, _ := connect[fourCCList].([]any)
	for _, v := range list {
		if code, ok := v.(string); ok {
			add(code)
		}
	}
	info, _ := connect[videoFourCCMap].(map[string]any)
	for _, code := range slices.Sorted(maps.Keys(info)) {
		add(code)
	}
	return codes
}

// answerConnect puts an answer in the place of go-rtmp's to the connect with that transaction id.
func (g *guard) answerConnect(id float64) {
	g.writing.Lock()
	defer g.writing.Unlock()
	g.answer.body = connectAnswer(id, g.h265)
}

// connectAnswer is the body of a _result that says which codecs the server takes. The specification
// leaves open in which of the two objects: "the server provides some properties within an Object as one
// of the parameters". So they stand in both.
func connectAnswer(id float64, h265 bool) []byte {
	video := []string{"avc1"}
	if h265 {
		video = append(video, "hvc1")
	}
	b := appendAMFNumber(appendAMFString(nil, "_result"), id)
	b = append(b, amfObject)
	b = appendAMFString(appendAMFKey(b, "fmsVer"), "FMS/3,0,1,123")
	b = appendAMFNumber(appendAMFKey(b, "capabilities"), 31)
	b = append(appendEnhanced(b, video), 0, 0, amfObjectEnd)
	b = append(b, amfObject)
	for _, pair := range [][2]string{
		{"level", "status"}, {"code", "NetConnection.Connect.Success"}, {"description", "Connection succeeded."},
	} {
		b = appendAMFString(appendAMFKey(b, pair[0]), pair[1])
	}
	b = appendAMFNumber(appendAMFKey(b, "objectEncoding"), 0)
	return append(appendEnhanced(b, video), 0, 0, amfObjectEnd)
}

// appendEnhanced appends the properties of enhanced RTMP. capsEx is 0: no reconnect request, no multitrack.
func appendEnhanced(b []byte, video []string) []byte {
	audio := []string{"mp4a"}
	all := slices.Concat(video, audio)
	b = append(appendAMFKey(b, fourCCList), amfStrictArray)
	b = binary.BigEndian.AppendUint32(b, uint32(len(all)))
	for _, code := range all {
		b = appendAMFString(b, code)
	}
	b = appendFourCCMap(appendAMFKey(b, videoFourCCMap), video, canDecode|canForward)
	b = appendFourCCMap(appendAMFKey(b, audioFourCCMap), audio, canForward)
	return appendAMFNumber(appendAMFKey(b, capsEx), 0)
}

func appendFourCCMap(b []byte, codes []string, mask float64) []byte {
	b = append(b, amfObject)
	for _, code := range codes {
		b = appendAMFNumber(appendAMFKey(b, code), mask)
	}
	return append(b, 0, 0, amfObjectEnd)
}

// An answer takes the place of go-rtmp's own to connect, whose fixed struct has no room for codecs.
//
// go-rtmp writes one chunk at a time, of at most outChunk bytes, and commands on commandChunks alone. Its
// first there is that answer, if nothing went wrong before: one type 0 chunk, as its chunk streams begin
// so, and as many of type 3 as it takes. The headers that follow build on it only for the message stream
// (0 in both): what comes next, createStream's answer, is shorter, so that its header says its length.
type answer struct {
	body []byte // nil: nothing is to be replaced
	left int    // bytes of go-rtmp's that are still to come
}

// outChunk is the chunk size of what is written: RTMP's default, which go-rtmp never changes.
const outChunk = 128

// replace returns what is to be written for a chunk of go-rtmp's; nothing for what is left out.
func (a *answer) replace(chunk []byte) []byte {
	switch {
	case a.body == nil || chunk[0]&0x3f != commandChunks:
		return chunk
	case a.left > 0:
		if a.left -= len(chunk) - 1; a.left <= 0 { // behind a type 3 header
			a.body = nil
		}
		return nil
	}
	const header = 12
	if len(chunk) < header || chunk[0]>>6 != 0 || !bytes.HasPrefix(chunk[header:], appendAMFString(nil, "_result")) {
		return chunk
	}
	whole := appendMessage(nil, commandChunks, packet{typ: typeCommandAMF0, body: a.body})
	length := int(chunk[4])<<16 | int(chunk[5])<<8 | int(chunk[6])
	if a.left = length - (len(chunk) - header); a.left <= 0 {
		a.body = nil
	}
	return rechunk(whole, header)
}

// rechunk splits a message that is one chunk, behind a header of so many bytes, into chunks of outChunk.
func rechunk(whole []byte, header int) []byte {
	out := make([]byte, 0, len(whole)+len(whole)/outChunk)
	out = append(out, whole[:header]...)
	for part := range slices.Chunk(whole[header:], outChunk) {
		if len(out) > header {
			out = append(out, 0xc0|commandChunks)
		}
		out = append(out, part...)
	}
	return out
}
