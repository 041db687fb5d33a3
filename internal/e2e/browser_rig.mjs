// What the browser's scripts share: Chromium, a watch over the console, and
// waiting for a picture that moves.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/ui/package.json", import.meta.url));
const { chromium } = require("playwright-core");

export const launch = () =>
  chromium.launch({
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
      // A page of our own making may frame a server on this machine.
      "--disable-features=LocalNetworkAccessChecks",
    ],
  });

// listen collects into errors what the page's console says is wrong.
export function listen(page, errors) {
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => {
    const at = m.location().url;
    // A rung that a busy machine is late with cannot be asked for what the source has (400).
    const expected = at.includes("_HLS_msn") && m.text().includes("400");
    if (m.type() === "error" && !expected) {
      errors.push(`${m.text()} (${at})`);
    }
  });
}

// moving waits until the picture has moved past a time, in seconds.
export const moving = (page, past = 0, timeout = 40_000) =>
  page.waitForFunction((t) => (document.querySelector("video")?.currentTime ?? 0) > t, past, { timeout });

// within says whether a promise is kept; the reason why not is told, and not thrown.
export const within = (promise, name) =>
  promise.then(
    () => true,
    (e) => {
      console.error(`${name}: ${String(e).split("\n")[0]}`);
      return false;
    },
  );
