// What the server says of channels and replays, and how the page keeps asking.
import { Clock } from "./clock";

export interface ChannelStatus {
  channel: string;
  state: "offline" | "starting" | "live";
  broadcast?: string;
  playlist?: string;
  started?: string;
  video?: string;
  audio?: string;
  poster?: string; // a picture that is replaced while the broadcast goes on
  storyboard?: string; // WebVTT that names small pictures, and grows
}

export interface Replay {
  broadcast: string;
  channel: string;
  started: string;
  duration: number; // seconds
  playlist: string;
  poster?: string;
  storyboard?: string;
}

const patience = 5000;

// serverClock is set right by every answer.
export const serverClock = new Clock();

async function get<T>(path: string): Promise<T> {
  const sent = Date.now();
  const answer = await fetch(path, { signal: AbortSignal.timeout(patience), cache: "no-cache" });
  const date = Date.parse(answer.headers.get("Date") ?? "");
  // Behind a cache, the date is of when the cache was filled.
  if (!Number.isNaN(date) && !Number(answer.headers.get("Age") ?? 0)) {
    serverClock.hear(sent, date, Date.now());
  }
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status}`);
  }
  return (await answer.json()) as T;
}

// poll asks for path each interval milliseconds for as long as the page lives, at
// once when it is shown again, and tells each answer; unreachable is told instead
// when there is none, and the next question waits longer then, up to four
// intervals. An unchanged answer costs the server a 304.
export function poll<T>(path: string, interval: number, answer: (value: T) => void, unreachable: () => void): void {
  let timer = 0;
  let asking = false;
  let failures = 0;
  const ask = async (): Promise<void> => {
    if (asking) {
      return;
    }
    asking = true;
    clearTimeout(timer);
    try {
      const value = await get<T>(path);
      failures = 0;
      answer(value);
    } catch {
      failures++;
      unreachable();
    } finally {
      asking = false;
      timer = window.setTimeout(ask, interval * Math.min(4, Math.max(1, failures)));
    }
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      void ask();
    }
  });
  window.addEventListener("online", () => void ask());
  void ask();
}

// replays are the newest recordings, of one channel or of all. A server that
// keeps none, or does not know them, has none to show.
export async function replays(channel?: string): Promise<Replay[]> {
  try {
    const query = channel ? `?channel=${encodeURIComponent(channel)}` : "";
    return (await get<{ replays?: Replay[] }>(`/api/v1/replays${query}`)).replays ?? [];
  } catch {
    return [];
  }
}
