import assert from "node:assert/strict";
import { test } from "node:test";
import { partial } from "../src/codecs";

const avc = (height, frameRate) => ({ width: (height * 16) / 9, height, frameRate, videoCodec: "avc1.64001f" });
const hevc = (height, frameRate) => ({ ...avc(height, frameRate), videoCodec: "hvc1.1.6.L93.90" });

test("H.265 is used where it has the best picture, and left out where it has not", () => {
  for (const [name, levels, want] of [
    ["H.264 alone", [avc(360, 30), avc(1080, 60)], []],
    ["H.265 alone", [hevc(360, 30), hevc(1080, 60)], []],
    ["a source in H.265", [avc(360, 30), hevc(360, 30), avc(720, 30), hevc(720, 30), hevc(1080, 60)], []],
    ["twins up to the source's size", [avc(720, 29.97), hevc(720, 30), avc(720, 30)], []],
    ["a source in H.264 above the twins", [avc(360, 30), hevc(360, 30), avc(720, 30), hevc(720, 30), avc(1080, 30)], [3, 1]],
    ["a source in H.264 faster than the twins", [avc(720, 30), hevc(720, 30), avc(720, 60)], [1]],
    ["a portrait source above the twins", [hevc(720, 30), { ...avc(1080, 30), width: 1080, height: 1920 }], [0]],
    ["nothing", [], []],
  ]) {
    assert.deepEqual(partial(levels), want, name);
  }
});
