// The first page: who is live, with a picture each, and what was recorded.
import { type ChannelStatus, poll } from "./api";
import { type Card, CardList, fresh } from "./cards";
import { el, write } from "./dom";
import { media, since } from "./format";
import { header } from "./header";
import { Recordings } from "./recordings";

const interval = 4000;
const recordingsEvery = 60_000;

export function showDirectory(app: HTMLElement): void {
  const list = new CardList();
  const note = el("p", { class: "note", role: "status" }, "Looking for live channels…");
  const recordings = new Recordings("Replays");
  app.append(header(), el("section", { class: "live" }, el("h1", {}, "Live now"), note, list.element), recordings.element);

  let live = -1;
  const load = (): void => void recordings.load();
  poll<{ channels: ChannelStatus[] }>(
    "/api/v1/channels",
    interval,
    ({ channels }) => {
      list.show(channels.map(card));
      write(note, channels.length === 0 ? "Nobody is live. This page shows who goes live, by itself." : "");
      if (channels.length < live) {
        load(); // an end is a new replay
      }
      live = channels.length;
    },
    () => write(note, "The server cannot be reached. Trying again…"),
  );
  load();
  window.setInterval(() => document.hidden || load(), recordingsEvery);
}

function card(c: ChannelStatus): Card {
  return {
    id: c.channel,
    href: `/${c.channel}`,
    title: c.channel,
    facts: [c.started ? since(c.started) : "", media(c.video)].filter(Boolean).join(" · "),
    badge: c.state === "live" ? "Live" : "Starting",
    corner: "",
    poster: fresh(c.poster),
  };
}
