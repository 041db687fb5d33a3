import assert from "node:assert/strict";
import { test } from "node:test";
import { Cushion } from "../src/cushion";

test("stalls add half a second each, up to the most", () => {
  const c = new Cushion(1);
  assert.equal(c.seconds(0), 0);
  c.stalled(1);
  assert.equal(c.seconds(2), 0.5);
  c.stalled(3);
  c.stalled(4);
  assert.equal(c.seconds(5), 1);
});

test("a calm minute takes it away, and the next calm must be twice as long", () => {
  const c = new Cushion(3);
  c.stalled(1000);
  assert.equal(c.seconds(60_000), 0.5);
  assert.equal(c.seconds(61_001), 0);
  c.stalled(70_000);
  assert.equal(c.seconds(70_000 + 60_001), 0.5);
  assert.equal(c.seconds(70_000 + 120_001), 0);
});

test("a new choice begins anew", () => {
  const c = new Cushion(3);
  c.stalled(1000);
  c.forget();
  assert.equal(c.seconds(1001), 0);
});
