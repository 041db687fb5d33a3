import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../src/storyboard";

test("cues that name a piece of a picture are read, all else is left out", () => {
  const vtt = [
    "WEBVTT",
    "",
    "NOTE a note",
    "",
    "00:00:00.000 --> 00:00:05.000",
    "/hls/B/sheets/0-3.jpg#xywh=0,0,160,90",
    "",
    "7",
    "01:00:05.500 --> 01:00:10.250 align:start",
    "sheets/1.jpg?x=1#xywh=160,90,160,90",
    "",
    "00:10.000 --> 00:15.000",
    "no picture",
    "",
    "00:20.000 --> 00:25.000",
    "x.jpg#xywh=0,0,16,9",
  ].join("\r\n");
  assert.deepEqual(parse(vtt, "https://example.com/hls/B/storyboard.vtt"), [
    { start: 0, end: 5, url: "https://example.com/hls/B/sheets/0-3.jpg#xywh=0,0,160,90" },
    { start: 3605.5, end: 3610.25, url: "https://example.com/hls/B/sheets/1.jpg?x=1#xywh=160,90,160,90" },
    { start: 20, end: 25, url: "https://example.com/hls/B/x.jpg#xywh=0,0,16,9" },
  ]);
});

test("what is no list has no pictures", () => {
  assert.deepEqual(parse("<html>not found</html>", "https://example.com/"), []);
  assert.deepEqual(parse("", "https://example.com/"), []);
});
