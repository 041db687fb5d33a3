package packager

// behind is what is left of a queue without its first n items. Their room is cleared and, once all
// is taken, used again.
func behind[T any](queue []T, n int) []T {
	clear(queue[:n])
	if n == len(queue) {
		return queue[:0]
	}
	return queue[n:]
}
