// The service worker: keeps the page's files, and answers with them for ever after.

/** What `fracture site` wrote, put before this script: a version, and path -> bytes. */
interface Site {
  version: string;
  files: Record<string, number>;
}

declare const self: ServiceWorkerGlobalScope & { SITE: Site };

const { version, files } = self.SITE;
const SCOPE = self.registration.scope;
const OURS = `fracture ${SCOPE} `;
const NAME = OURS + version;
const LARGE = 2 ** 20; // bytes; model and engine are kept as the page loads them
const NAMED = /^(assets|weights-)/; // by their content: these never change
// A page so isolated has threads, which few static hosts would give it.
const ISOLATION = {
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  const address = origin + pathname;
  const path = address === SCOPE ? "index.html" : address.slice(SCOPE.length);
  if (method === "GET" && address.startsWith(SCOPE) && path in files) {
    event.respondWith(answer(path));
  }
});

async function install(): Promise<void> {
  const cache = await caches.open(NAME);
  const keep = async ([path, bytes]: [string, number]) => {
    const isNamed = NAMED.test(path);
    const kept = isNamed && (await caches.match(SCOPE + path));
    if (kept) await cache.put(SCOPE + path, kept);
    else if (bytes < LARGE) await load(cache, path, isNamed ? "default" : "no-cache");
  };
  await Promise.all(Object.entries(files).map(keep));
  await self.skipWaiting();
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(OURS) && name !== NAME) await caches.delete(name);
  }
  await self.clients.claim();
}

async function answer(path: string): Promise<Response> {
  const cache = await caches.open(NAME);
  return (await cache.match(SCOPE + path)) ?? load(cache, path, "default");
}

/** Fetches a file and keeps it, if the server has it. */
async function load(cache: Cache, path: string, mode: RequestCache): Promise<Response> {
  const { ok, status, body, headers } = await fetch(SCOPE + path, { cache: mode });
  const isolated = new Headers([...headers, ...Object.entries(ISOLATION)]);
  const response = new Response(body, { status, headers: isolated });
  if (ok) await cache.put(SCOPE + path, response.clone());
  else if (mode === "no-cache") throw new Error(`${path}: ${status}`);
  return response;
}
