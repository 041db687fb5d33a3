// How near the live edge a viewer wants to be: three modes, and what hls.js is
// told of them.
import Hls from "hls.js/dist/hls.mjs";
import type { Cushion } from "./cushion";

export type Mode = "low" | "balanced" | "stable";

export const modes: readonly { mode: Mode; label: string; note: string }[] = [
  { mode: "low", label: "Low", note: "As near to live as the stream allows" },
  { mode: "balanced", label: "Balanced", note: "A second and a half more in hand" },
  { mode: "stable", label: "Stable", note: "Further behind, rides out a poor network" },
];

// extra is what a mode adds to the server's hold-back, in seconds. Stable needs
// none: outside low-latency mode hls.js takes HOLD-BACK, three target durations.
const extra: Record<Mode, number> = { low: 0, balanced: 1.5, stable: 0 };

// catchUp is the highest playback rate in a mode. hls.js only goes faster within
// a target duration of its target, and only with a second in the buffer.
export const catchUp: Record<Mode, number> = { low: 1.25, balanced: 1.1, stable: 1 };

const key = "pharos-latency";

// remembered is the mode that the viewer chose last, in this browser.
export function remembered(storage: Pick<Storage, "getItem"> | undefined): Mode {
  try {
    const value = storage?.getItem(key);
    return modes.find((m) => m.mode === value)?.mode ?? "low";
  } catch {
    return "low"; // the browser keeps nothing
  }
}

export function remember(storage: Pick<Storage, "setItem"> | undefined, mode: Mode): void {
  try {
    storage?.setItem(key, mode);
  } catch {
    // The browser keeps nothing: the mode holds for this page.
  }
}

// controller is hls.js' latency controller with the mode's and the cushion's
// distance in its target. Everything that hls.js derives from the target (where
// it starts, how fast it catches up) follows by itself.
export function controller(mode: () => Mode, cushion: Cushion): NonNullable<typeof Hls.DefaultConfig.latencyController> {
  const base = Hls.DefaultConfig.latencyController;
  if (!base) {
    throw new Error("hls.js was built without its latency controller");
  }
  return class extends base {
    override get targetLatency(): number | null {
      const target = super.targetLatency;
      return target === null ? null : target + extra[mode()] + cushion.seconds(performance.now());
    }

    override set targetLatency(seconds: number) {
      super.targetLatency = seconds;
    }
  };
}
