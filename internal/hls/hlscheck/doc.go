// Package hlscheck holds what a client saw of a live broadcast against the rules of
// Low-Latency HLS. It takes answers, with their times and headers: playlists of all
// renditions and, where they were fetched, parts, segments and init sections. It
// gives violations, each under the name of its rule; Rules lists them. It does no
// I/O, and reads playlists and boxes by its own grammar, so that it shares no
// mistake with the server.
//
// The rules are the MUSTs and SHOULDs of draft-pantos-hls-rfc8216bis-22 (numbers of
// its sections stand in brackets), of its Low-Latency profile (B.1), and of Apple's
// HLS Authoring Specification ("Apple's rule"), as far as one client can see whether
// they hold. One client sees times with its own delays: Options.Slack grants them.
//
// # Rules
//
//	mv.*       the multivariant playlist: what it states is what is there
//	gram.*     grammar and versions
//	pl.*       media playlists: constants, dates, maps, what may change and what not
//	seg.*      segments: cadence, durations, availability, the same samples as their parts
//	part.*     parts: durations, INDEPENDENT, availability
//	reload.*   blocking reloads (6.2.5.2)
//	skip.*     delta updates (6.2.5.1)
//	hint.*     preload hints (4.4.5.3)
//	report.*   rendition reports (4.4.5.4)
//	align.*    what renditions have in common (6.2.4)
//	media.*    bytes of parts, segments and init sections
//	end.*      the end
//	http.*     headers, protocol, lifetimes in caches
//	latency.*  dates are not ahead of the clock
//
// # Rules that do not apply to this server
//
//   - EXT-X-KEY, EXT-X-BYTERANGE, EXT-X-DEFINE, EXT-X-DATERANGE, and with it skip.v2:
//     the server writes none of these tags; one of them is an unknown tag to gram.syntax.
//   - EXT-X-CONTENT-STEERING and duplicate variants (Apple's rule 10.2): failover is
//     the load balancer's, in front of servers that all give the same URLs.
//   - I-frame playlists (section 6 of Apple's rules): scrubbing is by storyboard.
//   - A hint of TYPE=MAP: see package hls on why it is left out.
//   - HTTP/2 over TLS, TLS 1.3, priorities, TCP options: of the listener, not of the
//     playlists. http.h2 looks only at the protocol that the client noted.
//   - No redirects for media (Apple's rule 8.18): redirecting to the bucket is the
//     design, and PHAROS_MEDIA=proxy the way out. http.cors and http.cache-redirect
//     hold each hop to what redirects need.
//   - One origin request for all who wait (B.1): of a CDN.
//   - Several bit rates (Apple's rule 9.9): the operator's choice, by TRANSCODE.
//   - Recordings: EXT-X-PLAYLIST-TYPE:VOD and its rules are those of replays, which
//     this package is not for.
//   - EXTINF together with the last part, not after it: recommended only, and not to be
//     had where a segment ends at a keyframe that nobody can foresee.
package hlscheck
