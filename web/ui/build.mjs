// Bundles the page into ../dist, from where the Go binary embeds it.
import { cp, mkdir } from "node:fs/promises";
import { build } from "esbuild";

await mkdir("../dist", { recursive: true });
await build({
  entryPoints: { app: "src/main.ts" },
  outdir: "../dist",
  bundle: true,
  format: "esm",
  target: ["es2022", "safari16"],
  minify: true,
  legalComments: "eof",
  logLevel: "warning",
});
await cp("src/favicon.svg", "../dist/favicon.svg");
