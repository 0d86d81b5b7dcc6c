// Send a form or a few fields to the server, with the token that proves the page is ours.
export const csrf = () => document.querySelector("meta[name=csrf]").content;

/** POST fields; the answer. Throws a TypeError where there was no answer. */
export function post(url, fields) {
  return fetch(url, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { "X-CSRF-Token": csrf(), "X-Fragment": "post" },
    redirect: "manual",
  });
}
