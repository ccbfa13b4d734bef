// The service worker: keeps the page's files, and answers with them for ever after.

import { HEADERS } from "../policy";

/** What `fracture site` wrote, put before this script: a version, and path -> bytes. */
interface Site {
  version: string;
  files: Record<string, number>;
}

const worker = globalThis as unknown as ServiceWorkerGlobalScope & { SITE: Site };

const { version, files } = worker.SITE;
const SCOPE = worker.registration.scope;
const OURS = `fracture ${SCOPE} `;
const NAME = OURS + version;
const LARGE = 2 ** 20; // bytes; model and engine are kept as the page loads them
const NAMED = /^(assets|weights-)/; // by their content: these never change

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  const address = origin + pathname;
  const path = address === SCOPE ? "index.html" : address.slice(SCOPE.length);
  if (method === "GET" && address.startsWith(SCOPE) && path in files) {
    event.respondWith(answer(path, event));
  }
});

async function install(): Promise<void> {
  const cache = await caches.open(NAME);
  const keep = async ([path, bytes]: [string, number]) => {
    const isNamed = NAMED.test(path);
    const kept = isNamed && (await caches.match(SCOPE + path));
    if (kept) return cache.put(SCOPE + path, kept);
    if (bytes > LARGE) return;
    const response = await load(path, isNamed ? "default" : "no-cache");
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    await cache.put(SCOPE + path, response);
  };
  await Promise.all(Object.entries(files).map(keep));
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(OURS) && name !== NAME) await caches.delete(name);
  }
  await worker.clients.claim();
}

async function answer(path: string, event: FetchEvent): Promise<Response> {
  const cache = await caches.open(NAME);
  const kept = await cache.match(SCOPE + path);
  if (kept) return kept;
  const response = await load(path, "default");
  // The page gets it as it comes, not when all of it is here.
  if (response.ok) event.waitUntil(cache.put(SCOPE + path, response.clone()));
  return response;
}

async function load(path: string, mode: RequestCache): Promise<Response> {
  const { status, body, headers } = await fetch(SCOPE + path, { cache: mode });
  const all = new Headers(headers); // few static hosts would send ours
  for (const [name, value] of Object.entries(HEADERS)) all.set(name, value);
  return new Response(body, { status, headers: all });
}
