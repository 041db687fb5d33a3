import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, delay, media, since, startOffset } from "../src/format";

test("durations", () => {
  for (const [seconds, want] of [[0, "0:00"], [59.9, "0:59"], [61, "1:01"], [3600, "1:00:00"], [3723.4, "1:02:03"], [NaN, "0:00"], [-3, "0:00"]]) {
    assert.equal(clock(seconds), want);
  }
});

test("delays have tenths below a minute", () => {
  for (const [seconds, want] of [[1.04, "1.0 s"], [-0.2, "0.0 s"], [59.94, "59.9 s"], [60, "1:00"], [95, "1:35"]]) {
    assert.equal(delay(seconds), want);
  }
});

test("how long ago", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  for (const [date, want] of [["2026-11-22T11:59:30Z", "just now"], ["2026-11-22T11:48:00Z", "12 min"], ["2026-11-22T09:55:00Z", "2 h 5 min"], ["2026-11-22T12:01:00Z", "just now"]]) {
    assert.equal(since(date, now), want);
  }
});

test("where a link starts", () => {
  for (const [query, want] of [["?t=90", 90], ["?t=90s", 90], ["?t=1m30s", 90], ["?t=1h2m3s", 3723], ["?t=2m", 120], ["", 0], ["?t=soon", 0], ["?t=-5", 0], ["?t=1.5", 1.5]]) {
    assert.equal(startOffset(query), want, query);
  }
});

test("tracks", () => {
  assert.equal(media("1280x720p30 h264", "48000 Hz aac"), "1280 × 720, 30 fps, H.264 · AAC 48 kHz");
  assert.equal(media("1920x1080p59.94 h265", ""), "1920 × 1080, 59.94 fps, H.265");
  assert.equal(media("something else", "44100 Hz aac"), "something else · AAC 44.1 kHz");
  assert.equal(media(undefined, undefined), "");
});
