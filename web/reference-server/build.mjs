// Bundles the server into one file, with the image of the contract inside, so that `node dist/main.js` needs nothing else.
import { build } from "esbuild";

await build({
  entryPoints: ["src/main.ts"],
  outfile: "dist/main.js",
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  loader: { ".binpb": "binary" },
  nodePaths: ["node_modules"],
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  logLevel: "warning",
});
