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
    "M10.300 3.700h3.400l.5 2.600c.6.2 1.200.5 1.700.9l2.500-.9 1.700 3-2 1.700a7 7 0 0 1 0 2l2 1.700-1.700 3-2.500-.9c-.5.4-1.100.7-1.700.9l-.5 2.600h-3.400l-.5-2.600a7 7 0 0 1-1.700-.9l-2.500.9-1.700-3 2-1.700a7 7 0 0 1 0-2l-2-1.700 1.700-3 2.500.9c.5-.4 1.100-.7 1.700-.9l.5-2.600Zm1.700 5.500a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600Z",
  check: "M9.500 16.600 5.400 12.500 4 13.900l5.500 5.500L20.500 8.400 19.100 7z",
  muted:
    "M4 9v6h4l5 5V4L8 9H4Zm15.600 3 2.400-2.400-1.400-1.400-2.400 2.400-2.400-2.400-1.400 1.400 2.400 2.400-2.400 2.400 1.400 1.400 2.400-2.400 2.400 2.400 1.400-1.400L19.600 12Z",
  lighthouse:
    "M12 1.500 9 5.200h6L12 1.500Zm-2.400 4.600h4.800v2.700H9.600V6.100ZM7.800 9.700h8.400v1.500H7.800V9.700Zm1.500 2.500h5.400l.6 4.100H8.700l.6-4.100Zm-.8 5.200h7l.8 5.100H7.700l.8-5.100ZM8.400 6.700 1.500 4.300v6.300l6.900-2.400V6.700Zm7.200 0 6.900-2.400v6.300l-6.900-2.400V6.700Z",
};
