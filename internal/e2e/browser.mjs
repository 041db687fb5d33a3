// Watches the demo in Chromium and prints what it saw as JSON.
//
// usage: node browser.mjs WATCH_URL SCREENSHOT_FOLDER RTMP_URL_OF_CHANNEL_OBS
import { spawn } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/ui/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const [url, folder, rtmp] = process.argv.slice(2);
const origin = new URL(url).origin;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
  ],
});

const seen = { Errors: [], Latencies: [] };
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("pageerror", (e) => seen.Errors.push(String(e)));

  await page.goto(`${origin}/nobody`);
  seen.Offline = await page.locator(".curtain").innerText();
  await page.screenshot({ path: `${folder}/offline.png` });

  await page.goto(`${origin}/`);
  await page.locator(".channels a").first().waitFor({ timeout: 30_000 });
  await page.screenshot({ path: `${folder}/directory.png` });

  await page.goto(url);
  const ask = (f, arg) => page.locator("hls-video").evaluate(f, arg);
  // As soon as hls.js knows the playlist: each stall of a busy machine adds a second later.
  const first = await page.waitForFunction(
    () => {
      const api = document.querySelector("hls-video")?.api;
      const details = api?.latestLevelDetails;
      return details && api.targetLatency !== null ? { target: api.targetLatency, hold: details.partHoldBack } : null;
    },
    null,
    { timeout: 40_000, polling: 20 },
  );
  const { target, hold } = await first.jsonValue();
  seen.Target = target;
  seen.Hold = hold;
  await page.waitForFunction(() => document.querySelector("hls-video")?.nativeEl?.currentTime > 0, null, { timeout: 40_000 });
  await page.waitForTimeout(4000); // until the start has settled

  const before = await ask((v) => v.currentTime);
  for (let i = 0; i < 5; i++) {
    await page.waitForTimeout(1000);
    seen.Latencies.push(await ask((v) => (v.api.playingDate ? (Date.now() - v.api.playingDate.getTime()) / 1000 : -1)));
  }
  seen.Advanced = (await ask((v) => v.currentTime)) - before;
  seen.Audio = await ask((v) => v.nativeEl.webkitAudioDecodedByteCount);
  seen.Dropped = await ask((v) => v.nativeEl.getVideoPlaybackQuality().droppedVideoFrames);
  seen.LowLatency = await ask((v) => v.api.lowLatencyMode);
  await page.mouse.move(640, 400); // the controls show themselves
  await page.screenshot({ path: `${folder}/watch.png` });

  const was = await ask((v) => v.nativeEl.videoHeight);
  await page.locator("media-rendition-menu-button").click();
  const items = page.locator("media-rendition-menu >> css=media-chrome-menu-item");
  await items.first().waitFor({ timeout: 5000 });
  seen.Qualities = (await items.allInnerTexts()).map((s) => s.trim()).filter(Boolean);
  await page.screenshot({ path: `${folder}/quality.png` });
  await items.filter({ hasText: was === 240 ? "720" : "240" }).first().click();
  seen.Switched = await page
    .waitForFunction((h) => document.querySelector("hls-video").nativeEl.videoHeight !== h, was, { timeout: 15_000 })
    .then(() => true, () => false);

  const phone = await browser.newPage({ viewport: { width: 390, height: 844 }, isMobile: false });
  await phone.goto(url);
  await phone.waitForFunction(() => document.querySelector("hls-video")?.nativeEl?.currentTime > 0, null, { timeout: 40_000 });
  await phone.mouse.move(200, 100);
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
  try {
    seen.Started = await page
      .waitForFunction(() => document.querySelector("hls-video")?.nativeEl?.currentTime > 1, null, { timeout: 30_000 })
      .then(() => true, () => false);
    await page.screenshot({ path: `${folder}/obs.png` });
    // A second viewer, whose network answers nothing any more when the end comes.
    const stuck = await browser.newPage({ viewport: { width: 640, height: 480 } });
    await stuck.goto(`${origin}/obs`);
    await stuck.waitForFunction(() => document.querySelector("hls-video")?.nativeEl?.currentTime > 0, null, { timeout: 30_000 });
    await stuck.route("**/hls/**", () => undefined);
    encoder.kill();
    seen.Stuck = await stuck
      .locator(".curtain", { hasText: "ended" })
      .waitFor({ timeout: 20_000 })
      .then(() => true, () => false);
    await stuck.close();
  } finally {
    encoder.kill();
  }
  seen.Ended = await page
    .locator(".curtain", { hasText: "ended" })
    .waitFor({ timeout: 20_000 })
    .then(() => page.locator(".curtain").innerText(), () => "");
  await page.screenshot({ path: `${folder}/ended.png` });
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
