package registry

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// An EntryID is the place of an entry in a feed: seq 0 is a term's take (or the end that somebody appended for
// a dead runner), and seq goes up by one from there. The zero EntryID comes before all entries.
type EntryID struct{ Term, Seq uint64 }

// String returns the id as Redis writes it: "term-seq".
func (id EntryID) String() string {
	return strconv.FormatUint(id.Term, 10) + "-" + strconv.FormatUint(id.Seq, 10)
}

// Compare returns -1, 0 or 1 as id comes before other, is other, or comes after it.
func (id EntryID) Compare(other EntryID) int {
	return cmp.Or(cmp.Compare(id.Term, other.Term), cmp.Compare(id.Seq, other.Seq))
}

// precedes tells whether next can come right after id in a feed of which nothing is missing.
func (id EntryID) precedes(next EntryID) bool {
	if next.Term == id.Term {
		return next.Seq == id.Seq+1
	}
	return next.Term > id.Term && next.Seq == 0
}

func parseEntryID(s string) (EntryID, error) {
	term, seq, _ := strings.Cut(s, "-")
	var (
		id  EntryID
		err error
	)
	if id.Term, err = strconv.ParseUint(term, 10, 64); err == nil {
		id.Seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil {
		return EntryID{}, fmt.Errorf("read entry id %q: %w", s, err)
	}
	return id, nil
}

// An Entry is one event of a feed. The registry does not look into Data.
type Entry struct {
	ID   EntryID
	Data []byte
}

// dataField is the one field of an entry. An entry of the list without data is the mark of a take, which
// makes Redis refuse the list's entries of former terms.
const dataField = "d"

// add is the command that appends e to an existing stream. Where there is none it answers redis.Nil, so that
// a lost stream is noticed.
func (e Entry) add(stream string) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: stream, NoMkStream: true, ID: e.ID.String(), Values: []any{dataField, e.Data}}
}

// create is add, and makes the stream where there is none.
func (e Entry) create(stream string) *redis.XAddArgs {
	args := e.add(stream)
	args.NoMkStream = false
	return args
}

func entries(messages []redis.XMessage) ([]Entry, error) {
	all := make([]Entry, len(messages))
	for i, m := range messages {
		id, err := parseEntryID(m.ID)
		if err != nil {
			return nil, err
		}
		data, _ := m.Values[dataField].(string)
		all[i] = Entry{ID: id, Data: []byte(data)}
	}
	return all, nil
}

// newest is entries for an XREVRANGE of count 1, of which nothing may be left: then it returns the zero Entry.
func newest(messages []redis.XMessage) (Entry, error) {
	all, err := entries(messages)
	if err != nil || len(all) == 0 {
		return Entry{}, err
	}
	return all[0], nil
}
