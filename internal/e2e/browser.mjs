// Watches the demo in Chromium and prints what it saw as JSON.
//
// usage: node browser.mjs WATCH_URL SCREENSHOT_FOLDER RTMP_URL_OF_CHANNEL_OBS
import { spawn } from "node:child_process";
import { launch, listen, moving, within } from "./browser_rig.mjs";

const [url, folder, rtmp] = process.argv.slice(2);
const origin = new URL(url).origin;
const browser = await launch();

const seen = { Errors: [], Latencies: [] };
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  listen(page, seen.Errors);

  await page.goto(`${origin}/nobody`);
  const offline = page.locator(".curtain", { hasText: "offline" });
  await offline.waitFor({ timeout: 10_000 });
  seen.Offline = await offline.innerText();
  await page.screenshot({ path: `${folder}/offline.png` });

  await page.goto(`${origin}/`);
  await page.locator(".live .cards a").first().waitFor({ timeout: 30_000 });
  await page.screenshot({ path: `${folder}/directory.png` });

  await page.goto(url);
  // As soon as hls.js knows the playlist: each stall of a busy machine adds half a second later.
  const first = await page.waitForFunction(
    () => {
      const hls = window.pharos?.player.hls;
      const details = hls?.latestLevelDetails;
      return details && hls.targetLatency !== null ? { target: hls.targetLatency, hold: details.partHoldBack } : null;
    },
    null,
    { timeout: 40_000, polling: 20 },
  );
  const { target, hold } = await first.jsonValue();
  seen.Target = target;
  seen.Hold = hold;
  await moving(page);
  await page.waitForTimeout(4000); // until the start has settled

  const ask = (f, arg) => page.locator("video").evaluate(f, arg);
  const before = await ask((v) => v.currentTime);
  for (let i = 0; i < 5; i++) {
    await page.waitForTimeout(1000);
    seen.Latencies.push(await page.evaluate(() => window.pharos.player.latency));
  }
  seen.Advanced = (await ask((v) => v.currentTime)) - before;
  seen.Audio = await ask((v) => v.webkitAudioDecodedByteCount);
  seen.Dropped = await ask((v) => v.getVideoPlaybackQuality().droppedVideoFrames);
  seen.LowLatency = await page.evaluate(() => window.pharos.player.hls.lowLatencyMode);
  await page.mouse.move(640, 400); // the controls show themselves
  await within(page.locator('.live-pill[data-edge="true"]').waitFor({ timeout: 20_000 }), "the live edge");
  seen.Pill = await page.locator(".live-pill").innerText();
  await page.screenshot({ path: `${folder}/watch.png` });

  const was = await ask((v) => v.videoHeight);
  await page.locator(".menu-button.quality").click();
  const items = page.locator(".menu.quality [role=menuitemradio]");
  await items.first().waitFor({ timeout: 5000 });
  seen.Qualities = (await items.allInnerTexts()).map((s) => s.trim()).filter(Boolean);
  await page.screenshot({ path: `${folder}/quality.png` });
  await items.filter({ hasText: was === 240 ? "Source" : "240p30" }).first().click();
  seen.Switched = await within(
    page.waitForFunction((h) => document.querySelector("video").videoHeight !== h, was, { timeout: 15_000 }),
    "switch",
  );

  const phone = await browser.newPage({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
  listen(phone, seen.Errors);
  await phone.goto(url);
  await moving(phone);
  await phone.touchscreen.tap(200, 150);
  await phone.waitForTimeout(300);
  await phone.screenshot({ path: `${folder}/phone.png` });
  seen.Phone = await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  await phone.close();

  // A page that waits for its channel starts by itself, here with what OBS sends
  // unless told otherwise: a GOP of 250 frames, B-frames.
  await page.goto(`${origin}/obs`);
  await page.locator(".curtain", { hasText: "offline" }).waitFor({ timeout: 5000 });
  const encoder = spawn("ffmpeg", [
    ...["-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"],
    ...["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-c:v", "libx264", "-preset", "veryfast"],
    ...["-bf", "2", "-g", "250", "-pix_fmt", "yuv420p", "-b:v", "1M", "-c:a", "aac", "-f", "flv", rtmp],
  ]);
  let broadcast = "";
  try {
    seen.Started = await within(moving(page, 1, 30_000), "start by itself");
    await page.screenshot({ path: `${folder}/obs.png` });
    broadcast = (await (await page.request.get(`${origin}/api/v1/channels/obs`)).json()).broadcast;
    // A second viewer, whose network answers nothing any more when the end comes.
    const stuck = await browser.newPage({ viewport: { width: 640, height: 480 } });
    await stuck.goto(`${origin}/obs`);
    await moving(stuck, 0, 30_000);
    await stuck.route("**/hls/**", () => undefined);
    encoder.kill();
    seen.Stuck = await within(stuck.locator(".curtain", { hasText: "ended" }).waitFor({ timeout: 20_000 }), "the end of who is stuck");
    await stuck.close();
  } finally {
    encoder.kill();
  }
  // The recording appears a moment after the end, and is offered.
  const recording = { broadcast, channel: "obs", started: new Date().toISOString(), duration: 10, playlist: "/none" };
  await page.route("**/api/v1/replays*", (r) => r.fulfill({ json: { replays: [recording] } }));
  const ended = page.locator(".curtain", { hasText: "ended" });
  await within(ended.waitFor({ timeout: 20_000 }), "the end");
  seen.Offered = await within(ended.locator(`a[href="/replay/${broadcast}"]`).waitFor({ timeout: 15_000 }), "the replay's offer");
  seen.Ended = await ended.innerText().catch(() => "");
  await page.screenshot({ path: `${folder}/ended.png` });
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
