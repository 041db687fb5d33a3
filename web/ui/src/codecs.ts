// Which of a broadcast's two ladders, H.264 and H.265, the player may use.
import type Hls from "hls.js/dist/hls.mjs";

// A Picture is what is needed of an hls.js level.
export interface Picture {
  width: number;
  height: number;
  frameRate: number;
  videoCodec?: string | undefined;
}

// keepWholeLadders leaves out the H.265 levels of a playlist just parsed where they
// are not all of the ladder. hls.js has dropped by then what the browser cannot
// decode, prefers H.265 to H.264, and by itself never changes from one to the other:
// with H.265 rungs below a source in H.264 it would never get to the source.
export function keepWholeLadders(hls: Hls): void {
  for (const level of partial(hls.levels)) {
    hls.removeLevel(level);
  }
}

// partial is the H.265 levels, last first, of a ladder whose best picture is only
// there in another codec.
export function partial(levels: readonly Picture[]): number[] {
  const h265 = levels.map((_, i) => i).filter((i) => isH265(levels[i]));
  const best = (of: readonly Picture[]): number => Math.max(0, ...of.map(rank));
  if (best(levels.filter(isH265)) >= best(levels)) {
    return [];
  }
  return h265.reverse();
}

function isH265(p: Picture | undefined): boolean {
  return /^(hvc1|hev1)\b/.test(p?.videoCodec ?? "");
}

// rank compares by the shorter side, then by the frame rate: 29.97 is 30.
function rank(p: Picture): number {
  return Math.min(p.width, p.height) * 1000 + Math.round(p.frameRate);
}
