package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
	"github.com/pharos-live/pharos/runner/packager"
)

// A config is what the settings of a command come to; each fills in its own.
type config struct {
	transcode        string
	includeSource    bool
	transcodeBackend string
	supportsH265     bool

	flameBackend        string
	flameMax            int
	flameMaxConcurrency int
	flameIdle           time.Duration
	flameBootTimeout    time.Duration
	flameShutdown       time.Duration
	flameLog            slog.Level

	redisURL string
	bucket   bucketConfig
	mediaURL string
	media    string // redirect or proxy

	httpAddr, rtmpAddr string
	tlsCert, tlsKey    string
	publicURL          string
	dataDir            string
	secret             string

	segment, targetDuration, part, window time.Duration
	retention                             time.Duration

	maxConns, maxConnsPerIP int
}

// A bucketConfig says where the media goes: an empty name is the directory
// bucket under the data directory.
type bucketConfig struct {
	name, endpoint, region, accessKey, secretKey string
}

// maxRunners bounds FLAME_MAX: a typing error should not buy a fleet.
const maxRunners = 1000

func (c *config) ladderSettings() []setting {
	return []setting{
		{
			env: "TRANSCODE", set: c.setTranscode,
			help: "ladder: <height>p<fps>@<bits/s> joined by |, e.g. 720p30@2000000|360p30@600000; the height is the shorter side's; empty = source only",
		},
		{
			env: "TRANSCODE_INCLUDE_SOURCE", aliases: []string{"TRANSCODE_INCLUDE_MASTER"}, def: "true", set: intoBool(&c.includeSource),
			help: "keep the source rendition in the ladder",
		},
		{
			env: "TRANSCODE_BACKEND", aliases: []string{"FLAME_MIX_TARGET"}, def: "software",
			set:  intoOneOf(&c.transcodeBackend, "software", "nvidia", "xilinx", "vaapi", "auto"),
			help: "what encodes: software, nvidia, xilinx (U30), vaapi, or auto: the first that works of nvidia, xilinx, vaapi, software",
		},
		{
			env: "SUPPORTS_H265", def: "false", set: intoBool(&c.supportsH265),
			help: "take HEVC in (enhanced RTMP), and make each rung in H.265, too, at 60 % of its bit rate; an HEVC source always gets H.264 beside it",
		},
	}
}

func (c *config) setTranscode(v string) error {
	if _, err := ffmpeg.ParseLadder(v); err != nil {
		return err
	}
	c.transcode = v
	return nil
}

func (c *config) poolSettings() []setting {
	return []setting{
		{
			env: "FLAME_BACKEND", def: "local", set: intoOneOf(&c.flameBackend, "local"),
			help: "where runners run: local (a process each)",
		},
		{
			env: "FLAME_MAX", def: "1", set: intoCount(&c.flameMax, maxRunners),
			help: "runners at most; for now of this app server alone",
		},
		{
			env: "FLAME_MAX_CONCURRENCY", def: "10", set: intoCount(&c.flameMaxConcurrency, 1000),
			help: "broadcasts per runner",
		},
		{
			env: "FLAME_IDLE_SHUTDOWN_AFTER", def: "30", set: intoDuration(&c.flameIdle, 0, 24*time.Hour),
			help: "how long a runner without work is kept",
		},
		{
			env: "FLAME_BOOT_TIMEOUT", def: "30", set: intoDuration(&c.flameBootTimeout, time.Second, time.Hour),
			help: "how long a runner may take to boot",
		},
		{
			env: "FLAME_SHUTDOWN_TIMEOUT", def: "30", set: intoDuration(&c.flameShutdown, time.Second, time.Hour),
			help: "how long work may take to end when a server or runner stops",
		},
		{
			env: "FLAME_LOG", def: "info", set: c.setLogLevel,
			help: "what is logged: debug, info, warn or error",
		},
	}
}

func (c *config) setLogLevel(v string) error {
	if err := c.flameLog.UnmarshalText([]byte(v)); err != nil {
		return fmt.Errorf("want debug, info, warn or error")
	}
	return nil
}

func (c *config) stateSettings() []setting {
	return []setting{
		{
			env: "REDIS_URL", set: c.setRedisURL, secret: true,
			help: "registry and feeds, redis://…, rediss://… or unix://…; empty = an embedded Redis in this process (one machine only)",
		},
		{env: "BUCKET_MEDIA", set: intoString(&c.bucket.name), help: "bucket for the media; empty = a directory under PHAROS_DATA_DIR"},
		{env: "AWS_ENDPOINT_URL_S3", set: intoURL(&c.bucket.endpoint), help: "S3 endpoint; empty = Amazon's"},
		{env: "AWS_REGION", set: intoString(&c.bucket.region), help: "S3 region; needed without AWS_ENDPOINT_URL_S3"},
		{env: "AWS_ACCESS_KEY_ID", set: intoString(&c.bucket.accessKey), secret: true, help: "S3 credentials"},
		{env: "AWS_SECRET_ACCESS_KEY", set: intoString(&c.bucket.secretKey), secret: true, help: "S3 credentials"},
		{
			env: "PHAROS_MEDIA_URL", set: intoURL(&c.mediaURL),
			help: "public base of the bucket or its CDN: redirects point there; empty = presigned URLs",
		},
		{
			env: "PHAROS_DATA_DIR", def: defaultDataDir(), shown: "$XDG_STATE_HOME/pharos", set: c.setDataDir,
			help: "secret, directory bucket and run.json",
		},
	}
}

func (c *config) setRedisURL(v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err == nil && u.Host != "" && (u.Scheme == "redis" || u.Scheme == "rediss"):
	case err == nil && u.Path != "" && u.Scheme == "unix":
	default:
		return errors.New("want redis://[user:password@]host:port[/db], rediss:// for TLS, or unix:///path")
	}
	c.redisURL = v
	return nil
}

func (c *config) setDataDir(v string) error {
	if v == "" {
		return fmt.Errorf("want a directory")
	}
	abs, err := filepath.Abs(v)
	if err != nil {
		return err
	}
	c.dataDir = abs
	return nil
}

func (c *config) secretSettings() []setting {
	return []setting{{
		env: "PHAROS_SECRET", set: intoString(&c.secret), secret: true,
		help: "signs stream keys and internal calls; made once in PHAROS_DATA_DIR, and must be given with REDIS_URL",
	}}
}

func (c *config) listenSettings() []setting {
	return []setting{
		{env: "PHAROS_HTTP_ADDR", def: ":8080", set: intoString(&c.httpAddr), help: "HTTP listener (HTTP/1 and h2c)"},
		{env: "PHAROS_TLS_CERT", set: intoString(&c.tlsCert), help: "PEM file of the certificate, with its chain: HTTPS with HTTP/2 on PHAROS_HTTP_ADDR; followed when it changes"},
		{env: "PHAROS_TLS_KEY", set: intoString(&c.tlsKey), help: "PEM file of its key"},
		{
			env: "PHAROS_MEDIA", def: "redirect", set: intoOneOf(&c.media, "redirect", "proxy"),
			help: "how viewers get parts and segments: redirect (302 to the bucket) or proxy (fetched once, served from memory)",
		},
		{env: "PHAROS_PUBLIC_URL", set: c.setPublicURL, help: "base URL of links in previews and embeds, e.g. https://live.example.org; empty = what the viewer asked for"},
		{env: "PHAROS_RTMP_ADDR", def: ":1935", set: intoString(&c.rtmpAddr), help: "RTMP listener; --rtmp-addr \"\" or \"off\" makes a web-only edge"},
		{env: "PHAROS_MAX_CONNS", def: "1000", set: intoCount(&c.maxConns, 1_000_000), help: "RTMP connections at most"},
		{env: "PHAROS_MAX_CONNS_PER_IP", def: "20", set: intoCount(&c.maxConnsPerIP, 1_000_000), help: "RTMP connections at most from one address"},
	}
}

// setPublicURL takes a scheme and an authority: all paths begin at the root.
func (c *config) setPublicURL(v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("want http:// or https:// and a host, without a path")
	}
	c.publicURL = u.Scheme + "://" + u.Host
	return nil
}

func (c *config) packagingSettings() []setting {
	return []setting{
		{
			env: "PHAROS_SEGMENT", def: "2s", set: intoDuration(&c.segment, 500*time.Millisecond, 30*time.Second),
			help: "segments end at the first source keyframe at or after this",
		},
		{
			env: "PHAROS_TARGETDURATION", def: "4s", set: intoDuration(&c.targetDuration, time.Second, time.Minute),
			help: "segments are never longer: a whole multiple of PHAROS_SEGMENT",
		},
		{
			env: "PHAROS_PART", def: "333ms", set: intoDuration(&c.part, 200*time.Millisecond, time.Second),
			help: "nominal duration of a part",
		},
		{
			env: "PHAROS_WINDOW", def: "15m", set: intoDuration(&c.window, 30*time.Second, 24*time.Hour),
			help: "how far back a live viewer can seek",
		},
	}
}

func (c *config) replaySettings() []setting {
	return []setting{{
		env: "PHAROS_RETENTION", def: "720h", set: c.setRetention,
		help: "how long replays stay after their broadcast, 0 = for ever; the same on all app servers",
	}}
}

// setRetention takes 0, and nothing so short that a replay goes before it was watched.
func (c *config) setRetention(v string) error {
	if err := intoDuration(&c.retention, 0, 10*365*24*time.Hour)(v); err != nil {
		return err
	}
	if c.retention > 0 && c.retention < time.Minute {
		return errors.New("want 0 for ever, or at least 1m")
	}
	return nil
}

// serveSettings are all settings of an app server.
func (c *config) serveSettings() []setting {
	var all []setting
	for _, group := range [][]setting{
		c.listenSettings(), c.ladderSettings(), c.packagingSettings(), c.replaySettings(), c.poolSettings(), c.stateSettings(), c.secretSettings(),
	} {
		all = append(all, group...)
	}
	return all
}

// registrySettings are what the commands that only look need.
func (c *config) registrySettings() []setting { return c.stateSettings() }

// validate checks what one setting alone cannot say.
func (c *config) validate() error {
	if err := c.packaging().Validate(); err != nil {
		return err
	}
	if c.transcode == "" && !c.includeSource {
		return &settingError{name: "TRANSCODE_INCLUDE_SOURCE", value: "false", err: fmt.Errorf("with an empty TRANSCODE nothing would be left to watch: want true, or a ladder")}
	}
	if c.mediaURL != "" && c.bucket.name == "" {
		return &settingError{name: "PHAROS_MEDIA_URL", value: c.mediaURL, err: errors.New("needs BUCKET_MEDIA: the directory bucket is served by the app server itself")}
	}
	if (c.tlsCert == "") != (c.tlsKey == "") {
		return errHalfTLS(c.tlsCert, c.tlsKey)
	}
	if c.redisURL != "" && c.secret == "" {
		return &settingError{name: "PHAROS_SECRET", value: "", err: fmt.Errorf("must be given with REDIS_URL, the same on all app servers: at least 16 bytes")}
	}
	return nil
}

// packaging is what never changes in the life of a broadcast.
func (c *config) packaging() packager.Config {
	return packager.Config{Segment: c.segment, TargetDuration: c.targetDuration, Part: c.part, Window: c.window}
}

func (c *config) webOnly() bool { return c.rtmpAddr == "" || c.rtmpAddr == "off" }

func intoURL(to *string) func(string) error {
	return func(v string) error {
		if v != "" {
			u, err := url.Parse(v)
			if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
				return fmt.Errorf("want an http:// or https:// URL")
			}
		}
		*to = v
		return nil
	}
}

// defaultDataDir is $XDG_STATE_HOME/pharos, as the XDG base directories say.
func defaultDataDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "pharos")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "pharos")
	}
	return filepath.Join(home, ".local", "state", "pharos")
}
