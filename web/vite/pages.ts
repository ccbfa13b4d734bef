// The app's own templates in the page: what a result looks like has one home.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import nunjucks from "nunjucks";
import type { Plugin } from "vite";

import words from "../src/page/words.json" with { type: "json" };
import { HEADERS, POLICY } from "../src/policy.ts";

const PROJECT = join(import.meta.dirname, "../..");
const FOLDERS = ["rendering/templates", "web/assets"].map((name) =>
  join(PROJECT, "fracture", name),
);
/** What the page fills in, and what those templates take in. */
const PARTS = ["pieces.html", "more.html", "viewer.html", "read.html", "study.html", "progress.html"];
const REPORT = ["report.html", "report.css", "finding.css"];
const MODULE = "virtual:templates";

/** Renders index.html, and compiles the templates, for the page may evaluate nothing. */
export function pages(): Plugin {
  const environment = new nunjucks.Environment(new nunjucks.FileSystemLoader(FOLDERS), {
    autoescape: true,
    throwOnUndefined: true,
    trimBlocks: true,
    lstripBlocks: true,
  });
  const compiled = (name: string): string => {
    const path = FOLDERS.map((folder) => join(folder, name)).find(existsSync)!;
    return nunjucks.precompileString(readFileSync(path, "utf8"), {
      name,
      env: environment,
      wrapper: (found) =>
        [found].flat().map((one) => `${JSON.stringify(name)}: (() => {${one.template}})()`)[0]!,
    });
  };
  return {
    name: "fracture:pages",
    resolveId: (id) => (id === MODULE ? `\0${MODULE}` : undefined),
    load: (id) =>
      id === `\0${MODULE}`
        ? `export default {${[...PARTS, ...REPORT].map(compiled).join(",\n")}};`
        : undefined,
    transformIndexHtml: {
      order: "pre",
      handler: (html) => environment.renderString(html, { words, policy: POLICY }),
    },
    generateBundle() {
      // As Netlify's and Cloudflare's static hosts read them.
      const lines = Object.entries(HEADERS).map(([name, value]) => `  ${name}: ${value}\n`);
      const source = `/*\n${lines.join("")}`;
      this.emitFile({ type: "asset", fileName: "_headers", source });
    },
  };
}
