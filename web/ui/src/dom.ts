// el makes an element with attributes and children.
export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes?: Record<string, string>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K];
export function el(name: string, attributes?: Record<string, string>, ...children: (Node | string)[]): HTMLElement;
export function el(name: string, attributes: Record<string, string> = {}, ...children: (Node | string)[]): HTMLElement {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    e.setAttribute(key, value);
  }
  e.append(...children);
  return e;
}

// write sets an element's text, and leaves it alone where it says so already:
// a screen reader would read it again.
export function write(e: HTMLElement, text: string): void {
  if (e.textContent !== text) {
    e.textContent = text;
  }
}

const svg = "http://www.w3.org/2000/svg";

// icon draws one of our own pictures, 24 by 24, in the colour of the text.
export function icon(name: keyof typeof paths, attributes: Record<string, string> = {}): SVGElement {
  const picture = document.createElementNS(svg, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  for (const [key, value] of Object.entries(attributes)) {
    picture.setAttribute(key, value);
  }
  const path = document.createElementNS(svg, "path");
  path.setAttribute("d", paths[name]);
  picture.append(path);
  return picture;
}

const paths = {
  // A gauge: how far behind.
  latency:
    "M12 4a10 10 0 0 0-8.7 15 1 1 0 0 0 .9.5h15.600a1 1 0 0 0 .9-.5A10 10 0 0 0 12 4Zm7.200 13.500H4.800A8 8 0 1 1 20 14a8 8 0 0 1-.8 3.500ZM16.300 9l-3.100 4.200a1.700 1.700 0 1 1-1.400-1.400L16.300 9Z",
  // A cog: the quality.
  quality:
    "M10.300 2h3.400l.5 2.600c.6.2 1.200.5 1.700.9l2.500-.9 1.700 3-2 1.700a7 7 0 0 1 0 2l2 1.700-1.700 3-2.500-.9c-.5.4-1.100.7-1.700.9l-.5 2.600h-3.400l-.5-2.600a7 7 0 0 1-1.700-.9l-2.500.9-1.700-3 2-1.700a7 7 0 0 1 0-2l-2-1.700 1.700-3 2.500.9c.5-.4 1.100-.7 1.700-.9l.5-2.600Zm1.700 5.500a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600Z",
  check: "M9.500 16.600 5.400 12.500 4 13.900l5.500 5.500L20.500 8.400 19.100 7z",
  muted:
    "M4 9v6h4l5 5V4L8 9H4Zm15.600 3 2.400-2.400-1.400-1.400-2.400 2.400-2.400-2.400-1.400 1.400 2.400 2.400-2.400 2.400 1.400 1.400 2.400-2.400 2.400 2.400 1.400-1.400L19.600 12Z",
  lighthouse: "M12 2 9 6.500h6L12 2ZM9.500 8h5l1.900 14H7.600L9.500 8Zm-.3 4.200h5.600l-.3-2H9.500l-.3 2Zm-.9 6h7.400l-.3-2H8.600l-.3 2Z",
};
