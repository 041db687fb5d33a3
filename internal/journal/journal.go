// Package journal is the durable record of a broadcast, in the bucket: what its
// replay needs, and nothing of which a viewer's moment passes. Redis holds only what
// the living can write again; of a broadcast whose runner and Redis are gone, the
// journal and the media are what is left, and they are enough.
//
//	{broadcast}/journal/{term}-{k}.json      k = 0, 1, 2 … within a term
//
// The writer of a term writes an object when it takes the broadcast and then at most
// one in ten seconds, in order: where object k stands, all before it do. An object is
// JSON with a version, the facts of the broadcast, so that a bucket alone tells
// everything, and entries: the take, segments that are done with (durable, or lost),
// pictures, and the end. An entry is the JSON form of a feed's entry
// (pharos.broadcast.v1.Entry), so that whatever a feed carries a journal can.
//
// # Terms
//
// A later term's numbers win over an earlier's beyond its take, as in the feed: what
// a fenced runner still writes down has no effect, whenever it does so. A broadcast
// has ended when the newest term says so.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/wire"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// Version is that of the objects which this build writes, and the newest that it reads.
const Version = 1

// ErrVersion says that an object was written by a newer build.
var ErrVersion = errors.New("journal of a newer version")

// An Object is one object of a journal.
type Object struct {
	Broadcast string
	Channel   string
	Started   time.Time // when the broadcast was placed on its runner
	Term      uint64    // of its writer
	Number    uint64    // within the term, from 0
	Events    []hls.Event
}

// document is an Object as JSON.
type document struct {
	Version   int               `json:"version"`
	Broadcast string            `json:"broadcast"`
	Channel   string            `json:"channel"`
	Started   time.Time         `json:"started"`
	Term      uint64            `json:"term"`
	Number    uint64            `json:"number"`
	Entries   []json.RawMessage `json:"entries"`
}

// Prefix is where all objects of a broadcast's journal are.
func Prefix(broadcast string) string { return broadcast + "/journal/" }

// Key is where the object is stored.
func (o Object) Key() string {
	return fmt.Sprintf("%s%d-%d.json", Prefix(o.Broadcast), o.Term, o.Number)
}

// parseKey is Key backwards, for the part behind the prefix.
func parseKey(name string) (term, number uint64, ok bool) {
	name, ok = strings.CutSuffix(name, ".json")
	t, n, dash := strings.Cut(name, "-")
	term, termErr := strconv.ParseUint(t, 10, 64)
	number, numberErr := strconv.ParseUint(n, 10, 64)
	return term, number, ok && dash && termErr == nil && numberErr == nil
}

// Encode gives the object as JSON.
func (o Object) Encode() ([]byte, error) {
	d := document{
		Version: Version, Broadcast: o.Broadcast, Channel: o.Channel, Started: o.Started.UTC(),
		Term: o.Term, Number: o.Number, Entries: make([]json.RawMessage, 0, len(o.Events)),
	}
	for _, e := range o.Events {
		entry, err := encodeEvent(e)
		if err != nil {
			return nil, fmt.Errorf("encode journal of broadcast %s: %w", o.Broadcast, err)
		}
		d.Entries = append(d.Entries, entry)
	}
	return json.Marshal(d)
}

// Decode reads an object. Events of kinds that this build does not know are left out.
func Decode(data []byte) (Object, error) {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return Object{}, fmt.Errorf("decode journal: %w", err)
	}
	if d.Version < 1 || d.Version > Version {
		return Object{}, fmt.Errorf("decode journal of version %d: %w", d.Version, ErrVersion)
	}
	o := Object{Broadcast: d.Broadcast, Channel: d.Channel, Started: d.Started, Term: d.Term, Number: d.Number}
	for _, entry := range d.Entries {
		e, err := decodeEvent(entry)
		if err != nil {
			return Object{}, fmt.Errorf("decode journal of broadcast %s: %w", d.Broadcast, err)
		}
		if e != nil {
			o.Events = append(o.Events, e)
		}
	}
	return o, nil
}

func encodeEvent(e hls.Event) (json.RawMessage, error) {
	data, err := wire.EncodeEvent(e)
	if err != nil {
		return nil, err
	}
	var entry broadcastv1.Entry
	if err := proto.Unmarshal(data, &entry); err != nil {
		return nil, err
	}
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(&entry)
}

func decodeEvent(text json.RawMessage) (hls.Event, error) {
	var entry broadcastv1.Entry
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, &entry); err != nil {
		return nil, err
	}
	data, err := proto.Marshal(&entry)
	if err != nil {
		return nil, err
	}
	return wire.DecodeEvent(data)
}
