// The line above every page but the embedded one.
import { el, icon } from "./dom";

export function header(): HTMLElement {
  return el("header", { class: "top" }, el("a", { class: "brand", href: "/" }, icon("lighthouse"), "Pharos"));
}
