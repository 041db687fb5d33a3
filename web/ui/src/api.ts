// What the server says of channels, and how the page keeps asking.

export interface ChannelStatus {
  channel: string;
  state: "offline" | "starting" | "live";
  broadcast?: string;
  playlist?: string;
  started?: string;
  video?: string;
  audio?: string;
}

// An answer is asked for every two seconds: no long connection is spent on it,
// and an unchanged one costs the server a 304.
const interval = 2000;
const patience = 5000;

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(path, { signal: AbortSignal.timeout(patience), cache: "no-cache" });
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status}`);
  }
  return (await answer.json()) as T;
}

// poll asks for path for as long as the page lives, at once when the page is
// shown again, and tells each answer; unreachable is told instead when there
// is none.
export function poll<T>(path: string, answer: (value: T) => void, unreachable: () => void): void {
  let timer = 0;
  let asking = false;
  const ask = async (): Promise<void> => {
    if (asking) {
      return;
    }
    asking = true;
    clearTimeout(timer);
    try {
      answer(await get<T>(path));
    } catch {
      unreachable();
    } finally {
      asking = false;
      timer = window.setTimeout(ask, interval);
    }
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      void ask();
    }
  });
  void ask();
}
