import { defaultClientConditions } from "vite";
import { defineConfig } from "vitest/config";

import { pages } from "./vite/pages.ts";

// `vite build --mode library` makes the package in lib/; all else is the page's.
export default defineConfig(({ mode }) => ({
  base: "./",
  resolve: {
    // Its WASM comes as a file of its own, which a cache keeps and a policy can name.
    conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions],
  },
  build:
    mode === "library"
      ? {
          outDir: "lib",
          target: "es2022",
          license: { fileName: "licenses.md" },
          lib: { entry: "src/fracture/index.ts", formats: ["es"], fileName: "index" },
        }
      : {
          target: "es2022",
          license: { fileName: "licenses.md" },
          assetsInlineLimit: 0, // the policy knows files of the page's own
          rolldownOptions: {
            input: { index: "index.html", sw: "src/offline/sw.ts" },
            output: {
              // A service worker answers for the folder that it lies in.
              entryFileNames: ({ name }) =>
                name === "sw" ? "sw.js" : "assets/[name]-[hash].js",
            },
          },
        },
  worker: { format: "es" },
  plugins: mode === "library" ? [] : [pages()],
  test: {
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/fracture/assets.ts"],
    testTimeout: 60_000, // a busy machine
  },
}));
