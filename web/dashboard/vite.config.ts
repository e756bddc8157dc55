import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const contract = fileURLToPath(new URL("../contract/src", import.meta.url));
const built = fileURLToPath(new URL("../../python/server/src/catenary_server/dashboard/static", import.meta.url));

/** The server that `npm run dev` passes calls and streams on to. */
const server = process.env["CATENARY_DASHBOARD"] ?? "http://127.0.0.1:50080";

export default defineConfig({
  resolve: {
    alias: [{ find: /^@catenary\/contract\/(.*)$/, replacement: `${contract}/$1.ts` }],
    dedupe: ["@bufbuild/protobuf"],
  },
  build: {
    outDir: process.env["CATENARY_DASHBOARD_OUT"] ?? built,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy knows no data: URLs but for images
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
  server: {
    proxy: {
      "^/catenary\\..*": { target: server },
      "/streams": { target: server, ws: true },
    },
  },
});
