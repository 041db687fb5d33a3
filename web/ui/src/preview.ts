// The time under the small picture above the time line: into a recording, or
// before now. media-chrome hands its state to every element that observes it.
import { clock } from "./format";

const preview = "mediapreviewtime";
const seekable = "mediaseekable"; // "start:end"
const type = "mediastreamtype";

export class PreviewTime extends HTMLElement {
  static get observedAttributes(): string[] {
    return [preview, seekable, type];
  }

  attributeChangedCallback(): void {
    const at = Number(this.getAttribute(preview) ?? NaN);
    if (Number.isNaN(at)) {
      return; // what is on its way out keeps its text
    }
    const end = Number(this.getAttribute(seekable)?.split(":")[1] ?? NaN);
    const live = this.getAttribute(type) === "live" && !Number.isNaN(end);
    this.textContent = live ? `−${clock(end - at)}` : clock(at);
  }
}

customElements.define("pharos-preview-time", PreviewTime);
