// Workers, and what becomes of them.

import { type Remote, wrap } from "comlink";

export interface Started<T> {
  remote: Remote<T>;
  /** Fails when the worker does. */
  failure: Promise<never>;
  end(): void;
}

/**
 * Starts a worker under the policy of this page.
 *
 * One with an address of its own would have the policy of its headers, and many hosts
 * send none; one that begins in the page has that of the page.
 */
export function start<T>(url: string): Started<T> {
  const address = new URL(url, document.baseURI).href;
  const source = new Blob([`import ${JSON.stringify(address)};`], {
    type: "text/javascript",
  });
  const worker = new Worker(URL.createObjectURL(source), { type: "module" });
  const failure = new Promise<never>((_, reject) => {
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      reject(new Error(event.message ?? "A part of the page did not load."));
    });
  });
  failure.catch(() => {}); // or it would be told twice
  return { remote: wrap<T>(worker), failure, end: () => worker.terminate() };
}
