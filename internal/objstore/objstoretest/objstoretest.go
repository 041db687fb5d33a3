// Package objstoretest is the conformance suite that every objstore.Store passes, and a real S3
// server for tests.
package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/objstore"
)

// oddKeys are valid keys that something on the way to the bytes might read differently.
var oddKeys = []string{
	"odd/with space",
	"odd/plus+and%20percent%",
	"odd/question?and&amp;=;#hash",
	"odd/ümläut-日本語-🔥",
	"odd/quote'\"<tag>",
	"odd/colon:at@star*(paren)",
	"odd/trailing.dot.",
	"odd/~tilde^caret|pipe`",
	"_channels/some-channel.json",
	"odd/" + strings.Repeat("long", 50),
}

// badKeys are keys that every method refuses.
var badKeys = []string{
	"", "/", "/absolute", "folder/", "a//b", ".", "..", "../escape", "a/../../escape", "a/./b", ".hidden", "a/.tmp/b",
	`back\slash`, "new\nline", "nul\x00", "not utf-8 \xff", strings.Repeat("k", 256), strings.Repeat("long/", 205) + "key",
}

// Run tests the stores that newStore returns, a fresh and empty one for each call.
func Run(t *testing.T, newStore func(t *testing.T) objstore.Store) {
	t.Helper()
	tests := []struct {
		name string
		run  func(t *testing.T, s objstore.Store)
	}{
		{"get returns what was put", testPutGet},
		{"put replaces", testOverwrite},
		{"put keeps no hold of the body", testBodyIsCopied},
		{"a missing object is ErrNotFound", testNotFound},
		{"get has a limit", testTooLarge},
		{"odd keys are keys like others", testOddKeys},
		{"bad keys are refused", testBadKeys},
		{"delete", testDelete},
		{"list finds by prefix", testList},
		{"list and delete go beyond a page", testPages},
		{"many put at once", testConcurrentPuts},
		{"readers see whole objects while they are replaced", testWholeObjects},
		{"an ended context ends operations", testContext},
		{"a URL can be fetched", testURL},
		{"a URL gives ranges", testURLRange},
		{"a URL of nothing is a 404", testURLNotFound},
		{"check", testCheck},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, newStore(t))
		})
	}
}

func testPutGet(t *testing.T, s objstore.Store) {
	for _, size := range []int{0, 1, 1000, 3 << 20} {
		key, body := fmt.Sprintf("b/source/p%d.7.m4s", size), pattern(size, 1)
		put(t, s, key, body)
		get(t, s, key, body)
	}
}

func testOverwrite(t *testing.T, s objstore.Store) {
	for i := range 20 {
		body := pattern(100*(20-i), byte(i)) // ever shorter: nothing of the former may stay behind
		put(t, s, "b/index.m3u8", body)
		get(t, s, "b/index.m3u8", body)
	}
}

func testBodyIsCopied(t *testing.T, s objstore.Store) {
	body := pattern(100, 1)
	put(t, s, "b/k", body)
	clear(body)
	get(t, s, "b/k", pattern(100, 1))
}

func testNotFound(t *testing.T, s objstore.Store) {
	put(t, s, "b/source/p1.7.m4s", pattern(10, 1))
	for _, key := range []string{"b/source/p2.7.m4s", "b/source", "b", "other/deep/key", "b/source/p1.7.m4s/below"} {
		if body, err := s.Get(t.Context(), key); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("Get %q: %d bytes, %v, want %v", key, len(body), err, objstore.ErrNotFound)
		} else if !strings.Contains(err.Error(), key) {
			t.Errorf("Get %q: %q does not name the key", key, err)
		}
	}
}

func testTooLarge(t *testing.T, s objstore.Store) {
	put(t, s, "b/large", make([]byte, objstore.MaxGet+1))
	if _, err := s.Get(t.Context(), "b/large"); !errors.Is(err, objstore.ErrTooLarge) {
		t.Errorf("Get of %d bytes: %v, want %v", objstore.MaxGet+1, err, objstore.ErrTooLarge)
	}
}

func testOddKeys(t *testing.T, s objstore.Store) {
	for i, key := range oddKeys {
		put(t, s, key, pattern(10+i, byte(i)))
	}
	for i, key := range oddKeys {
		get(t, s, key, pattern(10+i, byte(i)))
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(oddKeys)), list(t, s, "")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	if err := s.Delete(t.Context(), oddKeys...); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if left := list(t, s, ""); len(left) > 0 {
		t.Errorf("after Delete there are %q", left)
	}
}

func testBadKeys(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	for _, key := range badKeys {
		_, getErr := s.Get(ctx, key)
		_, urlErr := s.URL(key, time.Now())
		for op, err := range map[string]error{
			"Put":    s.Put(ctx, key, nil, objstore.PutOptions{}),
			"Get":    getErr,
			"Delete": s.Delete(ctx, key),
			"URL":    urlErr,
		} {
			if !errors.Is(err, objstore.ErrBadKey) {
				t.Errorf("%s %q: %v, want %v", op, key, err, objstore.ErrBadKey)
			}
		}
	}
	for _, prefix := range []string{"../", "/", "a/../b", ".tmp"} {
		if err := s.List(ctx, prefix, func(objstore.Object) bool { return true }); !errors.Is(err, objstore.ErrBadKey) {
			t.Errorf("List %q: %v, want %v", prefix, err, objstore.ErrBadKey)
		}
	}
}

func testDelete(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	for _, key := range []string{"b/source/p1.m4s", "b/source/p2.m4s", "b/audio/p1.m4s"} {
		put(t, s, key, pattern(10, 1))
	}
	if err := s.Delete(ctx); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
	if err := s.Delete(ctx, "b/source/p1.m4s", "b/source/p9.m4s", "no/such/folder", "b/source"); err != nil {
		t.Errorf("Delete, some of them missing: %v", err)
	}
	if _, err := s.Get(ctx, "b/source/p1.m4s"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("Get of what was deleted: %v, want %v", err, objstore.ErrNotFound)
	}
	if diff := cmp.Diff([]string{"b/audio/p1.m4s", "b/source/p2.m4s"}, list(t, s, "")); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if err := s.Delete(ctx, "b/source/p1.m4s"); err != nil {
		t.Errorf("Delete again: %v", err)
	}
}

func testList(t *testing.T, s objstore.Store) {
	before := time.Now().Add(-2 * time.Second) // S3 tells whole seconds
	keys := []string{"a/journal/7-0.json", "a/journal/7-1.json", "a/source/p1.m4s", "a/source/p10.m4s", "ab/source/p1.m4s", "z"}
	for i, key := range keys {
		put(t, s, key, pattern(i, 1))
	}
	tests := []struct {
		prefix string
		want   []string
	}{
		{"", keys},
		{"a", keys[:5]},
		{"a/", keys[:4]},
		{"a/j", keys[:2]},
		{"a/journal/7-1.json", keys[1:2]},
		{"a/source/p1", keys[2:4]},
		{"a/source/p1.", keys[2:3]},
		{"a/nothing", nil},
		{"a/nothing/", nil},
		{"z/", nil},
		{"y", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, list(t, s, tt.prefix)); diff != "" {
			t.Errorf("List %q (-want +got):\n%s", tt.prefix, diff)
		}
	}
	seen := 0
	err := s.List(t.Context(), "", func(o objstore.Object) bool {
		if want := int64(slices.Index(keys, o.Key)); o.Size != want {
			t.Errorf("%s: size %d, want %d", o.Key, o.Size, want)
		}
		if o.ModTime.Before(before) || o.ModTime.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: modified %v, want about now, %v", o.Key, o.ModTime, time.Now())
		}
		seen++
		return seen < 2
	})
	if err != nil || seen != 2 {
		t.Errorf("List told to stop after 2: %d objects, %v", seen, err)
	}
}

func testPages(t *testing.T, s objstore.Store) {
	const n = 1005 // a page of S3 and a batch of deletes have 1000
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprintf("b/source/p%d.7.m4s", i))
	}
	putAll(t, s, keys, pattern(10, 1))
	slices.Sort(keys)
	if diff := cmp.Diff(keys, list(t, s, "b/")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	if err := s.Delete(t.Context(), keys...); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if left := list(t, s, ""); len(left) > 0 {
		t.Errorf("after Delete there are %d, such as %q", len(left), left[0])
	}
}

func testConcurrentPuts(t *testing.T, s objstore.Store) {
	var keys []string
	for i := range 64 {
		keys = append(keys, fmt.Sprintf("b/r%d/p%d.7.m4s", i%4, i))
	}
	putAll(t, s, keys, pattern(20000, 3))
	for _, key := range keys {
		get(t, s, key, pattern(20000, 3))
	}
}

func testWholeObjects(t *testing.T, s objstore.Store) {
	const key, size, rounds = "b/index.m3u8", 50000, 30
	put(t, s, key, pattern(size, 0))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds {
				body, err := s.Get(t.Context(), key)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				if len(body) == 0 || !bytes.Equal(body, pattern(size+int(body[0]), body[0])) {
					t.Errorf("Get returned %d bytes that nobody put", len(body))
					return
				}
			}
		})
	}
	for i := range rounds {
		put(t, s, key, pattern(size+i, byte(i)))
	}
	wg.Wait()
}

func testContext(t *testing.T, s objstore.Store) {
	put(t, s, "b/kept", pattern(10, 1))
	why := errors.New("the lease was lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, getErr := s.Get(ctx, "b/kept")
	for op, err := range map[string]error{
		"Put":    s.Put(ctx, "b/new", nil, objstore.PutOptions{}),
		"Get":    getErr,
		"Delete": s.Delete(ctx, "b/kept"),
		"List":   s.List(ctx, "", func(objstore.Object) bool { return true }),
		"Check":  s.Check(ctx),
	} {
		if !errors.Is(err, why) {
			t.Errorf("%s in an ended context: %v, want %v", op, err, why)
		}
	}
	if diff := cmp.Diff([]string{"b/kept"}, list(t, s, "")); diff != "" {
		t.Errorf("after operations in an ended context (-want +got):\n%s", diff)
	}
}

func testCheck(t *testing.T, s objstore.Store) {
	for range 2 {
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
	}
}

// pattern returns n bytes that begin with seed.
func pattern(n int, seed byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = seed + byte(i) + byte(i>>8)
	}
	return p
}

func put(t *testing.T, s objstore.Store, key string, body []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, body, objstore.PutOptions{}); err != nil {
		t.Fatalf("Put %q: %v", key, err)
	}
}

// putAll puts body under all keys, sixteen at a time.
func putAll(t *testing.T, s objstore.Store, keys []string, body []byte) {
	t.Helper()
	work := make(chan string)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for key := range work {
				if err := s.Put(t.Context(), key, body, objstore.PutOptions{}); err != nil {
					t.Errorf("Put %q: %v", key, err)
				}
			}
		})
	}
	for _, key := range keys {
		work <- key
	}
	close(work)
	wg.Wait()
}

func get(t *testing.T, s objstore.Store, key string, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("Get %q: %d bytes, %v, want the %d put", key, len(got), err, len(want))
	}
}

// list returns the keys that begin with prefix, sorted.
func list(t *testing.T, s objstore.Store, prefix string) []string {
	t.Helper()
	keys := make(map[string]bool)
	err := s.List(t.Context(), prefix, func(o objstore.Object) bool {
		if keys[o.Key] {
			t.Errorf("List %q: %q came twice", prefix, o.Key)
		}
		keys[o.Key] = true
		return true
	})
	if err != nil {
		t.Fatalf("List %q: %v", prefix, err)
	}
	return slices.Sorted(maps.Keys(keys))
}
