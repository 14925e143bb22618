// Prints the Khronos validator's report on each GLB named, as one JSON list.
import { readFile } from "node:fs/promises";
import { validateBytes } from "gltf-validator";

const reports = [];
for (const path of process.argv.slice(2)) {
  const bytes = new Uint8Array(await readFile(path));
  reports.push(await validateBytes(bytes, { uri: path, maxIssues: 0 }));
}
console.log(JSON.stringify(reports, null, 2));
