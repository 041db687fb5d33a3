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

// remembered is the mode that the viewer chose last, in this browser. Where the
// browser keeps nothing for a page in a frame, even to ask is an error.
export function remembered(): Mode {
  try {
    const value = window.localStorage.getItem(key);
    return modes.find((m) => m.mode === value)?.mode ?? "low";
  } catch {
    return "low";
  }
}

// remember keeps the mode; where it cannot, it holds for this page.
export function remember(mode: Mode): void {
  try {
    window.localStorage.setItem(key, mode);
  } catch {
    return;
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
