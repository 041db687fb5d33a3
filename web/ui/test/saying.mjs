import assert from "node:assert/strict";
import { test } from "node:test";
import { notice, saying } from "../src/saying";

const calm = { channel: "main", reachable: true, status: "offline", seen: false, shown: false, player: "idle" };

test("each state of the world has its text", () => {
  for (const [world, want] of [
    [{}, "main is offline"],
    [{ reachable: false }, "The server cannot be reached"],
    [{ status: "starting" }, "main is starting"],
    [{ status: "live", seen: true, player: "loading" }, null],
    [{ status: "live", seen: true, player: "playing" }, null],
    [{ status: "live", seen: true, player: "retrying", shown: true }, "Connection lost"],
    [{ status: "live", seen: true, player: "failed", shown: true }, "The picture does not come through"],
    [{ status: "live", seen: true, player: "unsupported", shown: true }, "This browser cannot play this"],
    [{ status: "offline", seen: true, player: "playing" }, null], // what was received is shown to its end
    [{ status: "offline", seen: true, player: "ended", shown: true }, "The broadcast has ended"],
    [{ status: "starting", seen: true, player: "playing" }, null],
    [{ status: "starting", seen: true, player: "ended", shown: true }, "main is starting"],
  ]) {
    assert.equal(saying({ ...calm, ...world }, () => {})?.title ?? null, want, JSON.stringify(world));
  }
});

test("the end offers the replay once there is one", () => {
  const ended = { ...calm, seen: true, shown: true, player: "ended" };
  assert.equal(saying(ended, () => {}).action, undefined);
  assert.equal(saying({ ...ended, replay: "/replay/B" }, () => {}).action.href, "/replay/B");
});

test("a server that is away is said in a corner while the picture goes on", () => {
  const live = { ...calm, status: "live", seen: true, player: "playing" };
  assert.equal(notice(live), "");
  assert.match(notice({ ...live, reachable: false }), /cannot be reached/);
});
