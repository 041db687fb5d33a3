package memhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pharos-live/pharos/internal/memhttp"
)

func TestServer_SpeaksHTTP2InClearText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memhttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s %s", r.Proto, r.Host, r.URL.Path)
		}))
		defer s.Close()
		if got, want := get(t, s.Client(), s.URL()+"/x"), "HTTP/2.0 memhttp.test /x"; got != want {
			t.Errorf("h2c: got %q, want %q", got, want)
		}
		one := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
		if got, want := get(t, one, s.URL()+"/x"), "HTTP/1.1 memhttp.test /x"; got != want {
			t.Errorf("HTTP/1.1: got %q, want %q", got, want)
		}
	})
}

// A stream of frames as ingest sends them: both ways at once, over a day of the bubble's time.
func TestServer_CarriesAConnectBidiStreamInABubble(t *testing.T) {
	t.Parallel()
	const frames, pause, size = 240, 6 * time.Minute, 12500
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := memhttp.New(connect.NewBidiStreamHandler("/test.v1.Frames/Publish", echoSizes))
		defer s.Close()
		client := connect.NewClient[wrapperspb.BytesValue, wrapperspb.Int64Value](s.Client(), s.URL()+"/test.v1.Frames/Publish")
		st := client.CallBidiStream(t.Context())

		var received atomic.Int64
		receiver := make(chan error, 1)
		go func() {
			for {
				msg, err := st.Receive()
				if err != nil {
					receiver <- err
					return
				}
				if msg.GetValue() != size {
					t.Errorf("acknowledged %d bytes, want %d", msg.GetValue(), size)
				}
				received.Add(1)
			}
		}()
		for i := range frames {
			if err := st.Send(wrapperspb.Bytes(make([]byte, size))); err != nil {
				t.Fatalf("send frame %d: %v", i, err)
			}
			time.Sleep(pause)
		}
		if err := st.CloseRequest(); err != nil {
			t.Errorf("CloseRequest: %v", err)
		}
		if err := <-receiver; !errors.Is(err, io.EOF) {
			t.Errorf("the receiver ended with %v, want %v", err, io.EOF)
		}
		if err := st.CloseResponse(); err != nil {
			t.Errorf("CloseResponse: %v", err)
		}
		if got := received.Load(); got != frames {
			t.Errorf("%d acknowledgements, want %d", got, frames)
		}
		if got, want := time.Since(start), 24*time.Hour; got != want {
			t.Errorf("took %v of the bubble's time, want %v", got, want)
		}
	})
}

// A peer that does not read must not freeze the bubble: flow control stops the sender, and its
// deadline, which is the bubble's, ends the stream.
func TestServer_AStalledReceiverDoesNotFreezeTheBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stalled := func(ctx context.Context, _ *connect.BidiStream[wrapperspb.BytesValue, wrapperspb.Int64Value]) error {
			<-ctx.Done()
			return ctx.Err()
		}
		s := memhttp.New(connect.NewBidiStreamHandler("/test.v1.Frames/Publish", stalled))
		defer s.Close()
		client := connect.NewClient[wrapperspb.BytesValue, wrapperspb.Int64Value](s.Client(), s.URL()+"/test.v1.Frames/Publish")
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		st := client.CallBidiStream(ctx)
		for st.Send(wrapperspb.Bytes(make([]byte, 1<<20))) == nil {
		}
		if _, err := st.Receive(); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
			t.Errorf("Receive: %v, want %v", err, connect.CodeDeadlineExceeded)
		}
		if got, want := time.Since(start), time.Hour; got != want {
			t.Errorf("the stream ended after %v, want %v", got, want)
		}
		_ = st.CloseRequest()
		_ = st.CloseResponse()
	})
}

func TestServer_CloseEndsRequestsAndWaitsForThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		s := memhttp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(time.Second)
			ended.Store(true)
		}))
		failed := make(chan error, 1)
		go func() {
			resp, err := s.Client().Get(s.URL())
			if err == nil {
				err = resp.Body.Close()
			}
			failed <- err
		}()
		synctest.Wait()
		s.Close()
		if !ended.Load() {
			t.Error("Close returned before the handler did")
		}
		if err := <-failed; err == nil {
			t.Error("the request succeeded although its server was closed")
		}
	})
}

func TestServer_TheClientReachesNothingElse(t *testing.T) {
	t.Parallel()
	s := memhttp.New(http.NotFoundHandler())
	defer s.Close()
	resp, err := s.Client().Get("http://127.0.0.1:1/")
	if err == nil {
		_ = resp.Body.Close()
		t.Error("a request to another address was answered")
	}
}

func echoSizes(_ context.Context, st *connect.BidiStream[wrapperspb.BytesValue, wrapperspb.Int64Value]) error {
	for {
		msg, err := st.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := st.Send(wrapperspb.Int64(int64(len(msg.GetValue())))); err != nil {
			return err
		}
	}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: read the answer: %v", url, err)
	}
	return string(body)
}
