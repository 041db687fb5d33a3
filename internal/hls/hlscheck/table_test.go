package hlscheck_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pharos-live/pharos/internal/hls/hlscheck"
)

// tests break a script in one rule each.
var tests = []struct {
	rule   string
	script script
	o      hlscheck.Options
	breaks func(s *show)
}{
	{"mv.identical", usual, hlscheck.Options{}, func(s *show) { edit(s.pick("/live/", 1), "CODECS=", "X-A=1,CODECS=") }},
	{"mv.independent", usual, hlscheck.Options{}, func(s *show) { s.master("#EXT-X-INDEPENDENT-SEGMENTS\n", "") }},
	{"mv.independent", usual, hlscheck.Options{}, func(s *show) { s.replace("low", "#EXT-X-MEDIA-SEQ", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA-SEQ") }},
	{"mv.groups", usual, hlscheck.Options{}, func(s *show) { s.master(`GROUP-ID="audio"`, `GROUP-ID="other"`) }},
	{"mv.groups", usual, hlscheck.Options{}, func(s *show) { s.master(`LANGUAGE="und",`, ``) }},
	{"mv.groups", usual, hlscheck.Options{}, func(s *show) { s.master(`AUTOSELECT=YES`, `AUTOSELECT=NO`) }},
	{"mv.order", usual, hlscheck.Options{}, func(s *show) { s.master("BANDWIDTH=2370000", "BANDWIDTH=9370000") }},
	{"mv.video-range", usual, hlscheck.Options{}, func(s *show) { s.master("BANDWIDTH=2370000", "VIDEO-RANGE=PQ,BANDWIDTH=2370000") }},
	{"mv.demuxed", usual, hlscheck.Options{}, func(s *show) { s.master(`,AUDIO="audio"`, ``) }},
	{"mv.resolution", usual, hlscheck.Options{}, func(s *show) { s.master(`,RESOLUTION=352x288`, ``) }},
	{"mv.resolution", whole, hlscheck.Options{}, func(s *show) { s.master(`352x288`, `640x360`) }},
	{"mv.frame-rate", usual, hlscheck.Options{}, func(s *show) { s.master(`,FRAME-RATE=30.000`, ``) }},
	{"mv.frame-rate", whole, hlscheck.Options{}, func(s *show) { s.master(`FRAME-RATE=30.000`, `FRAME-RATE=25.000`) }},
	{"mv.codecs", usual, hlscheck.Options{}, func(s *show) { s.master(`CODECS="avc1.64000c,mp4a.40.2",`, ``) }},
	{"mv.codecs", whole, hlscheck.Options{}, func(s *show) { s.master(`avc1.64000c`, `avc1.64001f`) }},
	{"mv.codecs", whole, hlscheck.Options{}, func(s *show) { s.master(`mp4a.40.2`, `mp4a.40.5`) }},
	{"mv.bandwidth", whole, hlscheck.Options{}, func(s *show) {
		s.master(`BANDWIDTH=830000,AVERAGE-BANDWIDTH=760000`, `BANDWIDTH=1000,AVERAGE-BANDWIDTH=900`)
	}},
	{"mv.average", usual, hlscheck.Options{}, func(s *show) { s.master(`,AVERAGE-BANDWIDTH=760000`, ``) }},
	{"mv.average", whole, hlscheck.Options{Long: 5 * time.Second}, func(s *show) { s.master(`AVERAGE-BANDWIDTH=760000`, `AVERAGE-BANDWIDTH=900`) }},

	{"gram.syntax", usual, hlscheck.Options{}, func(s *show) {
		s.replace("audio", "PART-TARGET=0.350000\n", "PART-TARGET=0.350000\n#EXT-X-PART-INF:PART-TARGET=0.350000\n")
	}},
	{"gram.syntax", usual, hlscheck.Options{}, func(s *show) { s.replace("audio", "#EXTM3U\n", "\ufeff#EXTM3U\n") }},
	{"gram.syntax", usual, hlscheck.Options{}, func(s *show) {
		s.replace("", "PART-TARGET=0.350000", "PART-TARGET=0.350000,PART-TARGET=0.350000")
	}},
	{"gram.version", usual, hlscheck.Options{}, func(s *show) { s.replace("low", "VERSION:6", "VERSION:3") }},
	{"gram.version", usual, hlscheck.Options{}, func(s *show) { s.replace("low", "VERSION:9", "VERSION:6") }},
	{"gram.version", usual, hlscheck.Options{}, func(s *show) { s.master("VERSION:1", "VERSION:10") }},
	{"pl.constant", usual, hlscheck.Options{}, func(s *show) { s.replace("low", "PART-HOLD-BACK=1.050000", "PART-HOLD-BACK=1.060000") }},
	{"pl.target", script{segments: 1, parts: 13, open: 8}, hlscheck.Options{}, func(s *show) { s.retarget(4, 3) }},
	{"pl.server-control", usual, hlscheck.Options{}, func(s *show) { s.replace("", "CAN-BLOCK-RELOAD=YES,", "") }},
	{"pl.part-inf", usual, hlscheck.Options{}, func(s *show) { s.replace("", "#EXT-X-PART-INF:PART-TARGET=0.350000\n", "") }},
	{"pl.part-hold-back", usual, hlscheck.Options{}, func(s *show) { s.replace("", "PART-HOLD-BACK=1.05", "PART-HOLD-BACK=1.04") }},
	{"pl.hold-back", usual, hlscheck.Options{}, func(s *show) { s.replace("", ",HOLD-BACK=6.0", ",HOLD-BACK=5.9") }},
	{"pl.skip-until", usual, hlscheck.Options{}, func(s *show) { s.replace("", "CAN-SKIP-UNTIL=12.0", "CAN-SKIP-UNTIL=11.9") }},
	{"pl.type", usual, hlscheck.Options{}, func(s *show) { s.replace("", "#EXT-X-MEDIA-SEQ", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQ") }},
	{"pl.disc-sequence", usual, hlscheck.Options{}, func(s *show) { s.replace("", "#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "") }},
	{"pl.start", usual, hlscheck.Options{}, func(s *show) { s.replace("", "#EXT-X-MEDIA-SEQ", "#EXT-X-START:TIME-OFFSET=-2\n#EXT-X-MEDIA-SEQ") }},
	{"pl.window", script{segments: 16, window: 12 * time.Second, open: 2}, hlscheck.Options{}, func(s *show) { s.drop(2) }},

	{"pl.map", usual, hlscheck.Options{}, func(s *show) {
		s.replace("", "#EXT-X-MAP:URI=\"init-aa.mp4\"\n", "")
		s.replace("", "VERSION:6", "VERSION:3")
	}},
	{"pl.map", script{segments: 5, disc: 3}, hlscheck.Options{}, func(s *show) { s.replace("", "DISCONTINUITY\n#EXT-X-MAP:URI=\"init-aa.mp4\"\n", "DISCONTINUITY\n") }},
	{"pl.date", usual, hlscheck.Options{}, func(s *show) { s.replace("", "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:06.000Z\n", "") }},
	{"pl.date-step", usual, hlscheck.Options{}, func(s *show) {
		s.dates("", -200*ms, func(at time.Time) bool { return at.Equal(began.Add(6 * time.Second)) })
	}},
	{"pl.date-sync", whole, hlscheck.Options{}, func(s *show) { s.dates("audio", -200*ms, always) }},
	{"seg.sum", usual, hlscheck.Options{}, func(s *show) { s.replace("", `DURATION=0.333333,URI="p9.m4s"`, `DURATION=0.310000,URI="p9.m4s"`) }},
	{"part.max", usual, hlscheck.Options{}, func(s *show) {
		s.replace("", `DURATION=0.333333,URI="p9.m4s"`, `DURATION=0.351000,URI="p9.m4s"`)
		s.replace("", `DURATION=0.333333,URI="p8.m4s"`, `DURATION=0.315666,URI="p8.m4s"`)
	}},
	{"part.min", usual, hlscheck.Options{}, func(s *show) {
		s.replace("low", `DURATION=0.333333,URI="p7.m4s"`, `DURATION=0.290000,URI="p7.m4s"`)
		for _, n := range []int{8, 9, 10} {
			s.replace("low", fmt.Sprintf(`DURATION=0.333333,URI="p%d.m4s"`, n), fmt.Sprintf(`DURATION=0.347777,URI="p%d.m4s"`, n))
		}
	}},

	{"pl.immutable", usual, hlscheck.Options{}, func(s *show) {
		s.everywhere(s.exactly("low/index.m3u8?_HLS_msn=5&_HLS_part=3"), "s3.m4s", "s3-again.m4s")
	}},
	{"pl.immutable", script{segments: 5, disc: 3}, hlscheck.Options{}, func(s *show) {
		s.everywhere(s.plain("low", -1), "DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1")
	}},
	{"pl.monotone", usual, hlscheck.Options{}, func(s *show) {
		reports := regexp.MustCompile(`(?s)#EXT-X-RENDITION-REPORT.*`)
		f := s.plain("low", -1)
		f.Body = reports.ReplaceAll(bytes.Clone(s.plain("low", -2).Body), reports.Find(f.Body))
	}},
	{"part.uri", usual, hlscheck.Options{}, func(s *show) { s.replace("low", `"p9.m4s"`, `"p3.m4s"`) }},

	{"seg.cadence", script{segments: 1, open: 25}, hlscheck.Options{}, func(*show) {}},
	{"part.cadence", usual, hlscheck.Options{}, func(s *show) { s.later(began.Add(7*time.Second), 500*ms) }},
	{"latency.edge", usual, hlscheck.Options{}, func(s *show) { s.dates("", time.Hour, always) }},
	{"part.window", script{segments: 9}, hlscheck.Options{}, func(s *show) { s.retarget(4, 2) }},

	{"reload.msn-only", usual, hlscheck.Options{}, func(s *show) { s.early("low/index.m3u8?_HLS_msn=6", "low", 3) }},
	{"reload.blocks", usual, hlscheck.Options{}, func(s *show) { s.early("low/index.m3u8?_HLS_msn=6&_HLS_part=3", "low", 1) }},
	{"reload.rollover", usual, hlscheck.Options{}, func(s *show) { s.early("low/index.m3u8?_HLS_msn=6&_HLS_part=6", "low", 1) }},
	{"reload.past", usual, hlscheck.Options{}, func(s *show) { s.refuse("?_HLS_msn=0", 400) }},
	{"reload.part-no-msn", usual, hlscheck.Options{}, func(s *show) { s.grant("?_HLS_part=1") }},
	{"reload.far-msn", usual, hlscheck.Options{}, func(s *show) { s.refuse("?_HLS_msn=102", 404) }},
	{"reload.near-msn", usual, hlscheck.Options{}, func(s *show) { s.refuse("source/index.m3u8?_HLS_msn=3", 400) }},
	{"reload.far-part", usual, hlscheck.Options{}, func(s *show) { s.refuse("?_HLS_msn=2&_HLS_part=53", 404) }},
	{"reload.garbage", usual, hlscheck.Options{}, func(s *show) { s.refuse("?_HLS_msn=-1", 500) }},
	{"reload.unknown", usual, hlscheck.Options{}, func(s *show) { s.refuse("?token=abc", 400) }},
	{"reload.timeout", usual, hlscheck.Options{}, func(s *show) {
		f := s.exactly("source/index.m3u8?_HLS_msn=3")
		s.refuse("source/index.m3u8?_HLS_msn=3", 503)
		f.Done = f.Sent.Add(time.Second)
	}},
	{"reload.timeout", usual, hlscheck.Options{}, func(s *show) {
		f := s.exactly("source/index.m3u8?_HLS_msn=3")
		s.refuse("source/index.m3u8?_HLS_msn=3", 503)
		f.Done = f.Sent.Add(7 * time.Second)
	}},
	{"reload.prompt", usual, hlscheck.Options{}, func(s *show) {
		f := s.exactly("source/index.m3u8?_HLS_msn=6")
		f.Done = f.Done.Add(150 * ms)
	}},
	{"reload.same", usual, hlscheck.Options{}, func(s *show) { f := s.plain("low", 30); f.Body = append(f.Body, "# a remark\n"...) }},

	{"skip.delta", usual, hlscheck.Options{}, func(s *show) { s.pick("low/index.m3u8?_HLS_skip", -1).Body = s.plain("low", -1).Body }},
	{"skip.boundary", usual, hlscheck.Options{}, func(s *show) { s.skipOneMore(s.pick("low/index.m3u8?_HLS_skip", -1)) }},
	{"skip.equal", usual, hlscheck.Options{}, func(s *show) {
		f := s.pick("low/index.m3u8?_HLS_skip", -1)
		f.Body = regexp.MustCompile(`(?s)#EXT-X-PART:\S+"p4[2-7].m4s"\S*\n`).ReplaceAll(f.Body, nil)
	}},

	{"hint.present", usual, hlscheck.Options{}, func(s *show) {
		for _, f := range s.playlists("low") {
			f.Body = regexp.MustCompile(`#EXT-X-PRELOAD-HINT\S+\n`).ReplaceAll(f.Body, nil)
		}
	}},
	{"hint.next", usual, hlscheck.Options{}, func(s *show) { s.replace("low", `PART,URI="p20.m4s"`, `PART,URI="p21.m4s"`) }},
	{"hint.prompt", whole, hlscheck.Options{}, func(s *show) {
		f := s.pick("low/p15.m4s", 0)
		f.Done, f.FirstByte = f.Done.Add(200*ms), f.Done.Add(200*ms)
	}},
	{"hint.burst", whole, hlscheck.Options{}, func(s *show) { f := s.pick("low/p15.m4s", 0); f.FirstByte = f.Sent }},
	{"hint.body", whole, hlscheck.Options{}, func(s *show) {
		s.pick("low/p15.m4s", 0).Body = fragmentOf(1, 14, 1)
	}},
	{"hint.404", usual, hlscheck.Options{}, func(s *show) { f := s.pick("p9999", 0); f.Done = f.Sent.Add(time.Second) }},

	{"report.present", usual, hlscheck.Options{}, func(s *show) {
		for _, f := range s.playlists("low") {
			f.Body = regexp.MustCompile(`#EXT-X-RENDITION-REPORT:URI="../audio\S+\n`).ReplaceAll(f.Body, nil)
		}
	}},
	{"report.truth", usual, hlscheck.Options{}, func(s *show) {
		f := s.pick("low/index.m3u8?_HLS_msn=5&_HLS_part=3", 0)
		f.Body = regexp.MustCompile(`LAST-PART=\d+`).ReplaceAll(f.Body, []byte("LAST-PART=0"))
	}},
	{"align.disc", usual, hlscheck.Options{}, func(s *show) { s.replace("audio", "DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1") }},
	{"align.publish", script{segments: 4, lag: 4}, hlscheck.Options{}, func(*show) {}},
	{"align.video", whole, hlscheck.Options{}, func(s *show) {
		s.media("/low/", shift(-3600))
		s.dates("low", -40*ms, always)
	}},
	{"align.audio", whole, hlscheck.Options{}, func(s *show) {
		s.media("/audio/", shift(-4800))
		s.dates("audio", -100*ms, always)
	}},
	{"align.duration", script{segments: 4, open: 2, short: 3, end: true}, hlscheck.Options{Slack: 1200 * ms}, func(*show) {}},

	{"end.endlist", ending, hlscheck.Options{}, func(s *show) {
		f := s.pick("audio/index.m3u8", -2)
		f.Body, f.Sent, f.Done = s.plain("audio", -2).Body, f.Sent.Add(500*ms), f.Done.Add(500*ms)
		s.fetches = slices.DeleteFunc(s.fetches, func(g *hlscheck.Fetch) bool {
			return g != f && strings.Contains(g.URL, "/audio/") && strings.Contains(string(g.Body), "ENDLIST")
		})
	}},
	{"end.clean", ending, hlscheck.Options{}, func(s *show) {
		s.replace("low", "#EXT-X-ENDLIST", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p26.m4s\"\n#EXT-X-ENDLIST")
	}},
	{"end.directives", ending, hlscheck.Options{}, func(s *show) { s.refuse("low/index.m3u8?_HLS_msn=999", 400) }},

	{"part.ready", whole, hlscheck.Options{}, func(s *show) { s.refuse("low/s2.m4s", 404) }},
	{"part.after", script{segments: 12, media: true}, hlscheck.Options{}, func(s *show) { s.add(base+"low/p3.m4s", 404, nil, 20*ms, 21*ms) }},
	{"seg.after", script{segments: 16, window: 12 * time.Second, media: true}, hlscheck.Options{}, func(s *show) { s.add(base+"low/s8.m4s", 404, nil, 20*ms, 21*ms) }},
	{"media.init", whole, hlscheck.Options{}, func(s *show) {
		s.media("low/init", func(b []byte) { copy(b[strings.Index(string(b), "mvex"):], "free") })
	}},
	{"media.format", whole, hlscheck.Options{}, func(s *show) { s.media("low/p9.", func(b []byte) { boxAt(b, "tfhd", 0)[1] = 0 }) }},
	{"media.tfdt", whole, hlscheck.Options{}, func(s *show) {
		s.only("/p9.m4s", "/p10.m4s", "init-aa.mp4")
		s.media("low/p9.", shift(-9))
	}},
	{"media.idr", whole, hlscheck.Options{}, func(s *show) {
		s.only("/s2.m4s", "low/init-aa.mp4")
		s.media("low/s2.", func(b []byte) {
			first, third := entryAt(b, 0), entryAt(b, 3)
			copy(third[8:12], first[8:12])
			first[9] |= 1
		})
	}},
	{"seg.sync", whole, hlscheck.Options{}, func(s *show) {
		s.only("/s2.m4s", "low/init-aa.mp4")
		s.media("low/s2.", func(b []byte) { entryAt(b, 0)[9] |= 1 })
	}},
	{"media.closed", whole, hlscheck.Options{}, func(s *show) {
		s.only("/s2.m4s", "low/init-aa.mp4")
		s.media("low/s2.", func(b []byte) {
			entry := entryAt(b, 1)
			binary.BigEndian.PutUint32(entry[12:], uint32(0xffffffff-6000))
		})
	}},
	{"seg.duration", whole, hlscheck.Options{}, func(s *show) {
		s.only("/s2.m4s", "low/init-aa.mp4")
		s.media("low/s2.", func(b []byte) {
			n := strings.Count(string(b), "trun") - 1
			trun := boxAt(b, "trun", n)
			entry := trun[12+9*(len(entryAt(b, 0))-len(entryAt(b, 1))):]
			binary.BigEndian.PutUint32(entry, 3000+9000)
		})
	}},
	{"part.duration", whole, hlscheck.Options{}, func(s *show) {
		s.replace("low", `DURATION=0.333333,URI="p9.m4s"`, `DURATION=0.298000,URI="p9.m4s"`)
		for n, d := range map[int]string{7: "0.350000", 8: "0.350000", 10: "0.335333"} {
			s.replace("low", fmt.Sprintf(`DURATION=0.333333,URI="p%d.m4s"`, n), fmt.Sprintf(`DURATION=%s,URI="p%d.m4s"`, d, n))
		}
	}},
	{"part.independent", whole, hlscheck.Options{}, func(s *show) { s.replace("low", `"p12.m4s",INDEPENDENT=YES`, `"p12.m4s"`) }},
	{"seg.parts", whole, hlscheck.Options{}, func(s *show) { s.media("low/s2.", func(b []byte) { b[len(b)-1]++ }) }},
	{"http.immutable", whole, hlscheck.Options{}, func(s *show) {
		f := s.pick("low/init-aa.mp4", -1)
		f.Body = append(f.Body, 0, 0, 0, 8, 'f', 'r', 'e', 'e')
	}},

	{"http.h2", usual, hlscheck.Options{}, func(s *show) { s.fetches[9].Proto = "HTTP/1.1" }},
	{"http.gzip", usual, hlscheck.Options{}, func(s *show) { s.fetches[9].Header.Del("Content-Encoding") }},
	{"http.vary", usual, hlscheck.Options{}, func(s *show) { s.fetches[9].Header.Del("Vary") }},
	{"http.type", usual, hlscheck.Options{}, func(s *show) { s.fetches[9].Header.Set("Content-Type", "text/plain") }},
	{"http.type", whole, hlscheck.Options{}, func(s *show) { s.pick("low/p9.", 0).Header.Set("Content-Type", "text/plain") }},
	{"http.length", usual, hlscheck.Options{}, func(s *show) { s.fetches[9].Header.Del("Content-Length") }},
	{"http.cors", usual, hlscheck.Options{}, func(s *show) { s.pick("?_HLS_part=1", 0).Header.Del("Access-Control-Allow-Origin") }},
	{"http.cors", whole, hlscheck.Options{}, func(s *show) {
		s.pick("low/p9.", 0).Hops[0].Header.Set("Access-Control-Allow-Origin", "https://a.example")
	}},
	{"http.cors", usual, hlscheck.Options{}, func(s *show) { s.fetches[9].Header.Del("Access-Control-Expose-Headers") }},
	{"http.cache-multivariant", usual, hlscheck.Options{}, func(s *show) { s.pick("/live/", 0).Header.Set("Cache-Control", "max-age=86400") }},
	{"http.cache-blocking", usual, hlscheck.Options{}, func(s *show) { s.pick("_HLS_part=3", 0).Header.Set("Cache-Control", "no-cache") }},
	{"http.cache-plain", usual, hlscheck.Options{}, func(s *show) { s.plain("low", 9).Header.Set("Cache-Control", "max-age=24") }},
	{"http.cache-end", ending, hlscheck.Options{}, func(s *show) { s.pick("_HLS_msn=999", 0).Header.Set("Cache-Control", "max-age=86400, immutable") }},
	{"http.cache-errors", usual, hlscheck.Options{}, func(s *show) { s.pick("p9999", 0).Header.Set("Cache-Control", "max-age=300") }},
	{"http.cache-media", whole, hlscheck.Options{}, func(s *show) { s.pick("low/p9.", 0).Header.Set("Cache-Control", "max-age=10") }},
	{"http.cache-redirect", whole, hlscheck.Options{}, func(s *show) { s.pick("low/p9.", 0).Hops[0].Header.Set("Cache-Control", "max-age=86400") }},
}
