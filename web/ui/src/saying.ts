// What the page says, from what the server and the player say: a pure function,
// so that each state of the world has exactly one text.
import type { ChannelStatus } from "./api";
import type { Saying } from "./curtain";
import type { State } from "./player";

export interface World {
  channel: string;
  reachable: boolean; // the server answered the last question
  status: ChannelStatus["state"];
  seen: boolean; // a broadcast was played on this page
  shown: boolean; // the player has shown all it will: its end was reached, it failed, or it stands still
  player: State;
  replay?: string; // where the recording of the broadcast that ended is
}

// saying is the curtain's text for a channel; null while there is a picture to see.
export function saying(w: World, again: () => void): Saying | null {
  const { channel } = w;
  const playing = w.seen && !w.shown;
  if (w.status === "live") {
    switch (w.player) {
      case "unsupported":
        return {
          title: "This browser cannot play this",
          text: "The broadcast is in a format that it does not know. A newer browser, or any HLS player, may.",
        };
      case "failed":
        return {
          title: "The picture does not come through",
          text: w.reachable ? "Several attempts failed." : "The server cannot be reached.",
          action: { label: "Try again", press: again },
        };
      case "retrying":
        return { title: "Connection lost", text: w.reachable ? "Trying again…" : "The server cannot be reached. Trying again…" };
      default:
        return w.seen ? null : { title: `${channel} is live`, text: "The picture is on its way." };
    }
  }
  if (playing) {
    return null; // what was received is shown to its end
  }
  if (w.status === "starting") {
    return { title: `${channel} is starting`, text: "The picture will be here in a moment." };
  }
  if (!w.reachable && !w.seen) {
    return { title: "The server cannot be reached", text: "This page keeps trying." };
  }
  if (!w.seen) {
    return { title: `${channel} is offline`, text: `This page starts by itself when ${channel} goes live.` };
  }
  return {
    title: "The broadcast has ended",
    text: `This page starts by itself when ${channel} goes live again.`,
    ...(w.replay ? { action: { label: "Watch the replay", href: w.replay } } : {}),
  };
}

// notice is what is said in a corner while the picture goes on.
export function notice(w: World): string {
  return w.seen && !w.shown && !w.reachable ? "The server cannot be reached. Trying again…" : "";
}
