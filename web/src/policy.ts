// What the page may do and who may look into it: a policy, and headers for hosts.

/** Nothing but the page's own files; no request can carry a film anywhere. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "style-src 'self'",
  "style-src-attr 'unsafe-inline'", // the length of a bar, and where a point stands
  "img-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** A page so isolated gets threads from the browser. */
export const ISOLATION = {
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Headers of every file, as Netlify's and Cloudflare's static hosts read them. */
export const HEADERS = [
  "/*",
  ...Object.entries({
    "Content-Security-Policy": POLICY,
    ...ISOLATION,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
  }).map(([name, value]) => `  ${name}: ${value}`),
  "",
].join("\n");
