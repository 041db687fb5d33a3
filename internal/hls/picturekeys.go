package hls

import "fmt"

// PosterKey is the key of a poster. As in every key, the term keeps a fenced
// writer and its successor apart.
func PosterKey(broadcast string, number, term uint64) string {
	return fmt.Sprintf("%s/poster/%d.%d.jpg", broadcast, number, term)
}

// SheetKey is the key of one revision of a sheet.
func SheetKey(broadcast string, number, revision, term uint64) string {
	return fmt.Sprintf("%s/sheets/%d-%d.%d.jpg", broadcast, number, revision, term)
}

// sheetURL is where an app server answers for a sheet: with the newest revision
// that it knows. The revision in it makes a player ask again when there is more.
func sheetURL(broadcast string, s Sheet) string {
	return fmt.Sprintf("/hls/%s/sheets/%d-%d.jpg", broadcast, s.Number, s.Revision)
}
