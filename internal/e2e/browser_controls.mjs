// Uses the page as viewers do (keyboard, menus, a frame on another site, a
// recording) and prints what it saw as JSON.
//
// usage: node browser_controls.mjs WATCH_URL SCREENSHOT_FOLDER
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { launch, listen, moving, within } from "./browser_rig.mjs";

const [url, folder] = process.argv.slice(2);
const origin = new URL(url).origin;
const seen = { Errors: [] };
const scratch = mkdtempSync(join(tmpdir(), "pharos-replay-"));
const browser = await launch();
try {
  await live();
  await embed();
  await replay();
  await unreachable();
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true });
}
console.log(JSON.stringify(seen));

async function live() {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  listen(page, seen.Errors);
  await page.goto(url);
  await moving(page, 12); // so that there is something to go back to
  const player = (f) => page.evaluate(f);

  // Keys work without a click into the player first.
  await page.keyboard.press("k");
  const paused = await player(() => document.querySelector("video").paused);
  await page.keyboard.press(" ");
  const on = await player(() => !document.querySelector("video").paused);
  await page.keyboard.press("m");
  const muted = await player(() => document.querySelector("video").muted);
  await page.keyboard.press("ArrowDown");
  const quieter = await player(() => Math.abs(document.querySelector("video").volume - 0.95) < 0.001 && !document.querySelector("video").muted);
  await page.keyboard.press("f");
  const full = await within(page.waitForFunction(() => document.fullscreenElement !== null, null, { timeout: 5000 }), "full screen");
  await page.keyboard.press("f");
  await within(page.waitForFunction(() => document.fullscreenElement === null, null, { timeout: 5000 }), "out of full screen");
  await page.keyboard.press("?");
  const help = await within(page.locator("dialog.keys kbd").first().waitFor({ timeout: 3000 }), "the list of keys");
  await page.screenshot({ path: `${folder}/keys.png` });
  await page.keyboard.press("Escape");
  const gone = await player(() => !document.querySelector("dialog.keys").open);
  seen.Keys = { paused, on, muted, quieter, full, help, gone };

  // Back by keyboard: the pill says how far, and leads to the edge again.
  await page.keyboard.press("j");
  const pill = page.locator(".live-pill");
  seen.WentBack = await within(page.locator('.live-pill[data-edge="false"]').waitFor({ timeout: 5000 }), "behind");
  seen.PillBehind = await pill.innerText();
  await page.waitForTimeout(3000);
  seen.StayedBack = await player(() => window.pharos.player.behind > 5); // nothing may pull a viewer forward
  await page.screenshot({ path: `${folder}/behind.png` });
  await pill.click();
  seen.WentLive = await within(page.locator('.live-pill[data-edge="true"]').waitFor({ timeout: 15_000 }), "live again");

  // The latency menu by keyboard alone, remembered in the next page.
  await page.locator(".menu-button.latency").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  await page.screenshot({ path: `${folder}/latency.png` });
  await page.keyboard.press("Enter");
  seen.Focus = await player(() => document.activeElement?.classList.contains("menu-button"));
  const target = () => player(() => window.pharos.player.hls.targetLatency);
  seen.Stable = { target: await target(), low: await player(() => window.pharos.player.hls.lowLatencyMode) };
  seen.HoldBack = await player(() => window.pharos.player.hls.latestLevelDetails.holdBack);
  seen.StableBehind = await within(
    page.waitForFunction(() => document.querySelector("video").readyState > 2 && window.pharos.player.latency > 8, null, { timeout: 15_000 }),
    "the distance of Stable",
  );
  await page.reload();
  await page.waitForFunction(() => window.pharos?.player.hls?.latestLevelDetails, null, { timeout: 20_000 });
  seen.Remembered = await player(() => window.pharos.player.mode);
  await page.close();
}

// embed shows the player in a frame of another site, and the page itself in none.
async function embed() {
  const page = await browser.newPage({ viewport: { width: 560, height: 700 } });
  await page.route("http://elsewhere.test/", (r) =>
    r.fulfill({
      contentType: "text/html",
      body: ["demo/embed", "nobody/embed", "demo"].map((p) => `<iframe src="${origin}/${p}" width="480" height="200" allow="fullscreen"></iframe>`).join(""),
    }),
  );
  await page.goto("http://elsewhere.test/");
  const frame = (path) => page.frames().find((f) => f.url() === `${origin}/${path}`);
  seen.Embedded = await within(moving(frame("demo/embed"), 0, 20_000), "the embedded picture");
  const offline = frame("nobody/embed").locator(".curtain", { hasText: "offline" });
  seen.EmbeddedOffline = await within(offline.waitFor({ timeout: 10_000 }), "the embedded curtain");
  seen.PageInFrame = frame("demo") !== undefined && (await frame("demo").locator("#app").count()) > 0;
  await page.screenshot({ path: `${folder}/embed.png` });
  await page.close();
}

// replay plays a recording of our own making, so that it needs no broadcast that
// ended: VOD, with a storyboard of two rows.
async function replay() {
  const ffmpeg = (...args) => execFileSync("ffmpeg", ["-loglevel", "error", "-nostdin", "-y", ...args], { cwd: scratch });
  ffmpeg(
    ...["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15:duration=30", "-f", "lavfi", "-i", "sine=duration=30"],
    ...["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"],
    ...["-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4", "index.m3u8"],
  );
  ffmpeg(...["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=1/5:duration=30", "-vf", "tile=3x2", "-frames:v", "1", "-update", "1", "sheet.jpg"]);
  const cue = (i) => `00:00:${String(5 * i).padStart(2, "0")}.000 --> 00:00:${String(5 * i + 5).padStart(2, "0")}.000\nsheet.jpg#xywh=${(i % 3) * 160},${Math.floor(i / 3) * 90},160,90`;
  writeFileSync(join(scratch, "storyboard.vtt"), ["WEBVTT", ...[0, 1, 2, 3, 4, 5].map(cue)].join("\n\n"));

  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  listen(page, seen.Errors);
  const types = { ".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/mp4", ".mp4": "video/mp4", ".vtt": "text/vtt", ".jpg": "image/jpeg" };
  await page.route(`${origin}/recording/*`, (r) => {
    const name = new URL(r.request().url()).pathname.split("/").pop();
    return r.fulfill({ body: readFileSync(join(scratch, name)), contentType: types[extname(name)] });
  });
  const recording = (broadcast, days) => ({
    broadcast,
    channel: "demo",
    started: new Date(Date.UTC(2026, 0, 31 - days, 20)).toISOString(),
    duration: 30,
    playlist: "/recording/index.m3u8",
    poster: "/recording/sheet.jpg",
    storyboard: "/recording/storyboard.vtt",
  });
  await page.route("**/api/v1/replays*", (r) => r.fulfill({ json: { replays: [recording("01A", 0), recording("01B", 1)] } }));
  const html = await (await page.request.get(url)).text();
  const body = '<body data-kind="replay" data-broadcast="01A" data-channel="demo" data-playlist="/recording/index.m3u8">';
  await page.route(`${origin}/replay/*`, (r) => r.fulfill({ contentType: "text/html", body: html.replace(/<body[^>]*>/, body) }));

  await page.goto(`${origin}/`);
  seen.Listed = await within(page.locator(".recordings a", { hasText: "0:30" }).first().waitFor({ timeout: 10_000 }), "the list of replays");
  await page.screenshot({ path: `${folder}/replays.png` });

  await page.goto(`${origin}/replay/01A?t=12`);
  await moving(page, 12.2, 20_000);
  seen.ReplayFrom = await page.evaluate(() => document.querySelector("video").currentTime);
  seen.ReplayLive = await page.locator(".live-pill, .menu-button.latency:not([hidden])").count();
  const range = page.locator("media-time-range");
  const { width } = await range.boundingBox();
  await range.hover({ position: { x: (width * 22) / 30, y: 10 } });
  seen.Thumbnail = await within(
    page.locator('media-time-range > media-preview-thumbnail[mediapreviewcoords="160 90 160 90"]').waitFor({ timeout: 5000 }),
    "the small picture of the fifth cue",
  );
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${folder}/replay.png` });
  await page.keyboard.press("5");
  seen.Tenths = await within(page.waitForFunction(() => Math.abs(document.querySelector("video").currentTime - 15) < 2, null, { timeout: 5000 }), "key 5");
  await page.close();
}

// unreachable takes the server away from a page that plays, and gives it back.
async function unreachable() {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(url);
  await moving(page, 1);
  await page.route(/\/(hls|live|api|media)\//, (r) => r.abort());
  seen.Noticed = await within(page.getByText("The server cannot be reached").first().waitFor({ timeout: 15_000 }), "the notice");
  await page.locator(".curtain", { hasText: "Connection lost" }).waitFor({ timeout: 30_000 });
  await page.screenshot({ path: `${folder}/unreachable.png` });
  await page.unroute(/\/(hls|live|api|media)\//);
  seen.CameBack = await within(
    page.waitForFunction(() => window.pharos.player.state === "playing" && document.querySelector("video").readyState > 2, null, { timeout: 30_000 }),
    "the picture's return",
  );
  await page.close();
}
