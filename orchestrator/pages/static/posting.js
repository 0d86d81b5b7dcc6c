// Send a form or a few fields to the server, with the token that proves the page is ours.
export const csrf = () => document.querySelector("meta[name=csrf]").content;

const LIMIT_MS = 20000;

/** POST fields; the answer. Throws where there was none in time. */
export function post(url, fields) {
  return fetch(url, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { "X-CSRF-Token": csrf(), "X-Fragment": "post" },
    redirect: "manual",
    signal: AbortSignal.timeout(LIMIT_MS),
  });
}
