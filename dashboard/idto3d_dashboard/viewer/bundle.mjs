// Makes build/: the viewer with three.js inside, once as a module and once as a classic script, the rater's page
// with the same viewer, and their styles.
import { copyFile, mkdir } from "node:fs/promises";
import { build } from "esbuild";

const shared = { bundle: true, minify: true, target: "es2022", legalComments: "eof", logLevel: "warning" };

await mkdir("build", { recursive: true });
await Promise.all([
  build({ ...shared, entryPoints: ["src/viewer.ts"], format: "esm", outfile: "build/viewer.js" }),
  // A page opened from file:// may load no module; there the same functions stand on `headsViewer`.
  build({
    ...shared,
    entryPoints: ["src/viewer.ts"],
    format: "iife",
    globalName: "headsViewer",
    outfile: "build/viewer.classic.js",
  }),
  build({ ...shared, entryPoints: ["src/rater.ts"], format: "esm", outfile: "build/rater.js" }),
  build({ ...shared, entryPoints: ["src/viewer.css"], outfile: "build/viewer.css" }),
  build({ ...shared, entryPoints: ["src/rater.css"], outfile: "build/rater.css" }),
  copyFile("node_modules/three/LICENSE", "build/three.LICENSE.txt"),
]);
