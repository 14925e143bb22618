// Makes build/: the viewer with three.js inside, once as a module and once as a classic script, and its style.
import { copyFile, mkdir } from "node:fs/promises";
import { build } from "esbuild";

const shared = { bundle: true, minify: true, target: "es2022", legalComments: "eof", logLevel: "warning" };

await mkdir("build", { recursive: true });
await Promise.all([
  build({ ...shared, entryPoints: ["src/viewer.ts"], format: "esm", outfile: "build/viewer.js" }),
  // A page opened from file:// may load no module; there the same functions stand on `idto3dViewer`.
  build({
    ...shared,
    entryPoints: ["src/viewer.ts"],
    format: "iife",
    globalName: "idto3dViewer",
    outfile: "build/viewer.classic.js",
  }),
  build({ ...shared, entryPoints: ["src/viewer.css"], outfile: "build/viewer.css" }),
  copyFile("node_modules/three/LICENSE", "build/three.LICENSE.txt"),
]);
