// One channel: says plainly whether it is live, and starts by itself when it
// is.
import { type ChannelStatus, poll } from "./api";
import { el } from "./dom";
import { Player } from "./player";

export function showChannel(app: HTMLElement, channel: string): void {
  const player = new Player();
  const message = el("p", {}, "");
  const curtain = el("div", { class: "curtain", role: "status" }, message);
  const pill = el("span", { class: "pill" }, "");
  const facts = el("span", { class: "facts" }, "");
  app.append(
    el("div", { class: "stage" }, player.element, curtain),
    el("div", { class: "below" }, el("a", { class: "home", href: "/" }, "Pharos"), el("h1", {}, channel), pill, facts),
  );

  const say = (text: string): void => {
    message.textContent = text;
    curtain.hidden = text === "";
  };
  let broadcast = "";
  let last: ChannelStatus["state"] = "offline";

  const show = (s: ChannelStatus): void => {
    last = s.state;
    pill.textContent = s.state;
    pill.dataset["state"] = s.state;
    facts.textContent = [s.video, s.audio].filter(Boolean).join(" · ");
    if (s.state === "live" && s.playlist && s.broadcast) {
      if (s.broadcast !== broadcast || player.broken) {
        broadcast = s.broadcast;
        player.play(s.playlist);
      }
      say("");
      return;
    }
    // What was received is shown to its end; a player that cannot go on has shown all it will.
    if (player.finished || player.broken || player.still() || broadcast === "") {
      say(
        s.state === "starting"
          ? `${channel} is starting…`
          : broadcast === ""
            ? `${channel} is offline. This page starts by itself when ${channel} goes live.`
            : `The broadcast has ended. This page starts by itself when ${channel} goes live again.`,
      );
    }
  };
  let status: ChannelStatus = { channel, state: "offline" };
  poll<ChannelStatus>(
    `/api/v1/channels/${channel}`,
    (s) => {
      status = s;
      show(s);
    },
    () => {
      if (last !== "live") {
        say("The server cannot be reached. Trying again…");
      }
    },
  );
  player.onEnd(() => show(status));
}
