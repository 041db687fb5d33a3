import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf, qualities } from "../src/quality";

const all = () => true;
const level = (name, width, height, frameRate, bitrate, videoCodec = "avc1.64001f") => ({
  uri: `http://example.com/hls/B/${name}/index.m3u8?x=1/2`,
  width,
  height,
  frameRate,
  bitrate,
  videoCodec,
});

test("the source is named, and each height is there once", () => {
  const levels = [
    level("360p30", 640, 360, 30, 700_000),
    level("720p30", 1280, 720, 30, 2_100_000),
    level("720p30-h265", 1280, 720, 30, 1_400_000, "hvc1.1.6.L93.B0"),
    level("source", 1920, 1080, 60, 6_000_000),
  ];
  const got = (playable) => qualities(levels, playable).map((q) => [q.label, q.level]);
  assert.deepEqual(got(all), [["Source 1080p60", 3], ["720p30", 2], ["360p30", 0]]);
  assert.deepEqual(got((c) => !c.startsWith("hvc1")), [["Source 1080p60", 3], ["720p30", 1], ["360p30", 0]], "without H.265");
});

test("a rung as high and as fast as the source is the source", () => {
  const levels = [level("720p30", 1280, 720, 30, 1_000_000), level("source", 1280, 720, 29.97, 3_000_000)];
  assert.deepEqual(qualities(levels, all), [{ level: 1, name: "720p30", label: "Source 720p30" }]);
});

test("two frame rates of one height are two", () => {
  const levels = [level("720p30", 1280, 720, 30, 2_000_000), level("720p60", 1280, 720, 60, 3_000_000)];
  assert.deepEqual(qualities(levels, all).map((q) => q.label), ["720p60", "720p30"]);
});

test("a source that this browser cannot play is not offered", () => {
  const levels = [level("720p30", 1280, 720, 30, 2_000_000), level("source", 1920, 1080, 60, 6_000_000, "hvc1.1.6.L93.B0")];
  assert.deepEqual(qualities(levels, (c) => !c.startsWith("hvc1")).map((q) => q.label), ["720p30"]);
});

test("names", () => {
  for (const [l, want] of [
    [level("source", 1080, 1920, 30, 1), "1080p30"],
    [level("480p30", 854, 480, 30, 1), "480p30"],
    [level("source", 1280, 720, 23.976, 1), "720p24"],
    [level("source", 1280, 720, 0, 1), "720p"],
    [level("audio", 0, 0, 0, 1, undefined), "Audio only"],
    [{ ...level("x", 1280, 720, 30, 1), uri: "source/index.m3u8" }, "720p30"],
  ]) {
    assert.equal(nameOf(l), want);
  }
});
