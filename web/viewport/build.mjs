// Bundles src/ with three.js into assets/web/viewport.js. The first line says from which sources it was made; a test
// of the repository compares.

import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const here = new URL(".", import.meta.url);
const out = new URL("../../assets/web/", here);
const hash = createHash("sha256");
for (const name of readdirSync(new URL("src/", here)).filter((f) => f.endsWith(".js")).sort()) hash.update(readFileSync(new URL(`src/${name}`, here)));
hash.update(readFileSync(new URL("package-lock.json", here)));

await build({
  absWorkingDir: new URL(".", here).pathname,
  entryPoints: ["src/viewport.js"],
  outfile: new URL("viewport.js", out).pathname,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "eof",
  banner: { js: `// Built by web/viewport/build.mjs from sources ${hash.digest("hex")}` },
});
copyFileSync(new URL("node_modules/three/LICENSE", here), new URL("viewport.three-LICENSE.txt", out));
