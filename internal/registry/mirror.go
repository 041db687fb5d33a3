package registry

import "slices"

// A mirror is a writer's copy of one of its streams: what stands in Redis and what is still to be written, so
// that the stream can be gone on with, or restored, wherever Redis turns out to be after a failure.
type mirror struct {
	entries []Entry // in order
	written int     // entries[:written] stand in Redis
	waiting int     // bytes of the others

	cut     EntryID // what is below shall go
	cutDone EntryID // the last cut that Redis has made
}

func (m *mirror) append(e Entry) {
	m.entries = append(m.entries, e)
	m.waiting += len(e.Data)
}

// unwritten returns the next entries to write, at most n.
func (m *mirror) unwritten(n int) []Entry {
	rest := m.entries[m.written:]
	return slices.Clone(rest[:min(n, len(rest))])
}

// all returns the entries written and unwritten.
func (m *mirror) all() []Entry { return slices.Clone(m.entries) }

func (m *mirror) pending() int { return len(m.entries) - m.written }

func (m *mirror) last() EntryID {
	if len(m.entries) == 0 {
		return EntryID{}
	}
	return m.entries[len(m.entries)-1].ID
}

// stands notes that last is the newest entry in Redis: what is above is to be written, whether for the first
// time or again.
func (m *mirror) stands(last EntryID) {
	i, found := m.find(last)
	if found {
		i++
	}
	m.written, m.waiting = i, 0
	for _, e := range m.entries[i:] {
		m.waiting += len(e.Data)
	}
	m.prune()
}

func (m *mirror) find(id EntryID) (int, bool) {
	return slices.BinarySearchFunc(m.entries, id, func(e Entry, id EntryID) int { return e.ID.Compare(id) })
}

// length is how many entries the stream has once n more are written and, if cutting, the cut is made. It is -1
// while a cut is outstanding, as then nobody knows what of it Redis has made.
func (m *mirror) length(n int, cutting bool) int {
	if !cutting && m.cut != m.cutDone {
		return -1
	}
	below, _ := m.find(m.cut) // entries that were cut before they were written
	return m.written + n - below
}

// trim cuts what is before id, but never the newest entry.
func (m *mirror) trim(before EntryID) {
	if last := m.last(); before.Compare(last) > 0 {
		before = last
	}
	if before.Compare(m.cut) > 0 {
		m.cut = before
		m.prune()
	}
}

// prune forgets entries that are cut, unless they are still to be written: readers get them in order first.
func (m *mirror) prune() {
	i, _ := m.find(m.cut)
	i = min(i, max(m.written-1, 0)) // the newest in Redis stays: a failure is settled by it
	m.entries = slices.Delete(m.entries, 0, i)
	m.written -= i
}

// nth is the id of the entry at index i, or of the newest where there are not so many.
func (m *mirror) nth(i int) EntryID {
	if i < len(m.entries) {
		return m.entries[i].ID
	}
	return m.last()
}
