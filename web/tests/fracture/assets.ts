// In Node a bundler's URL is a path below web/: `fetch` reads it from the disk.

import { readFile } from "node:fs/promises";

const ROOT = new URL("../../", import.meta.url);

globalThis.fetch = async (url) => {
  const path = `${url}`.replace(/^file:\/\/\/?|^\//, "").replace(/\?.*$/, "");
  return new Response(await readFile(new URL(path, ROOT)));
};
