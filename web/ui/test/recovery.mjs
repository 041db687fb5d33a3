import assert from "node:assert/strict";
import { test } from "node:test";
import { Recovery, Watchdog } from "../src/recovery";

test("new starts are further and further apart, and end", () => {
  const r = new Recovery();
  const waits = Array.from({ length: 7 }, () => r.delay(0.5));
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 8000, null]);
});

test("waits differ from viewer to viewer", () => {
  assert.equal(new Recovery().delay(0), 375);
  assert.ok(new Recovery().delay(0.999) > 620);
});

test("half a minute of moving pictures forgives", () => {
  const r = new Recovery();
  r.delay(0.5);
  r.delay(0.5);
  for (let now = 1000; now <= 20_000; now += 1000) r.moving(now);
  assert.equal(r.delay(0.5), 2000, "not yet");
  for (let now = 30_000; now <= 61_000; now += 1000) r.moving(now);
  assert.equal(r.delay(0.5), 500);
});

const watch = (steps) => {
  const w = new Watchdog();
  return steps.map(([now, time, wanted]) => w.look(now, time, wanted ?? true));
};
const every = (from, to, time, wanted) => Array.from({ length: (to - from) / 1000 + 1 }, (_, i) => [from + i * 1000, time(i), wanted]);

test("a picture that stands is nudged once, then started anew", () => {
  const got = watch(every(0, 13_000, () => 7));
  assert.deepEqual(got.map((g, i) => [i, g]).filter(([, g]) => g !== "none"), [[4, "nudge"], [12, "restart"]]);
});

test("a picture that moves, or should not, is left alone", () => {
  assert.ok(watch(every(0, 20_000, (i) => i)).every((g) => g === "none"));
  assert.ok(watch(every(0, 20_000, () => 7, false)).every((g) => g === "none"));
});

test("a computer that slept is not a stall", () => {
  assert.deepEqual(watch([[0, 7], [1000, 7], [3_600_000, 7], [3_601_000, 7]]), ["none", "none", "none", "none"]);
});
