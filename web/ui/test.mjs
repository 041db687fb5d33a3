// Bundles the tests of what needs no browser, and runs them by node's own runner.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const folder = await mkdtemp(join(tmpdir(), "pharos-ui-"));
let status = 1;
try {
  const outfile = join(folder, "all.test.mjs");
  await build({ entryPoints: ["test/all.mjs"], outfile, bundle: true, platform: "node", format: "esm", logLevel: "warning" });
  status = spawnSync(process.execPath, ["--test", outfile], { stdio: "inherit" }).status ?? 1;
} finally {
  await rm(folder, { recursive: true });
}
process.exit(status);
