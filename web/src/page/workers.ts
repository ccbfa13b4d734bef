// Workers, and what becomes of them.

import { type Remote, wrap } from "comlink";

export interface Started<T> {
  remote: Remote<T>;
  /** What the worker does; fails when the worker does. */
  during<R>(work: Promise<R>): Promise<R>;
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
  let broken: Error | undefined;
  const waiting = new Set<(error: Error) => void>();
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    broken = new Error(event.message ?? "A part of the page did not load.");
    for (const reject of waiting) reject(broken);
  });
  return {
    remote: wrap<T>(worker),
    // A race with one promise of failure would hold on to every answer that won it.
    during: (work) =>
      new Promise((resolve, reject) => {
        if (broken) return reject(broken);
        waiting.add(reject);
        void work.then(resolve, reject).finally(() => waiting.delete(reject));
      }),
    end: () => worker.terminate(),
  };
}
