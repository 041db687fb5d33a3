import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../src/clock";

test("a viewer's clock that is off is seen through", () => {
  const c = new Clock();
  const off = 90_000; // ours is a minute and a half behind
  for (let own = 1_000_000; own < 1_060_000; own += 2_137) {
    const server = own + 20 + off;
    c.hear(own, Math.floor(server / 1000) * 1000, own + 40);
  }
  assert.ok(Math.abs(c.now(2_000_000) - (2_000_000 + off)) < 100, `${c.now(2_000_000)}`);
});

test("without an answer our own clock counts", () => {
  assert.equal(new Clock().now(123), 123);
});

test("a clock that was set anew is followed", () => {
  const c = new Clock();
  c.hear(10_000, 10_000, 10_010);
  c.hear(20_000, 80_000, 20_010);
  assert.ok(Math.abs(c.now(20_000) - 80_500) < 600);
});
