package hls

// Position is a part's place: its index in the segment that it belongs to.
type Position struct {
	MSN, Part uint64
}

// Before says whether p comes before q.
func (p Position) Before(q Position) bool {
	return p.MSN < q.MSN || p.MSN == q.MSN && p.Part < q.Part
}
