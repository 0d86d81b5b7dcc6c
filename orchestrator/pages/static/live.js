// Keep a page as true as the database: listen for changes, ask for the moving part again, and say so when that fails.
//
// <body data-live-from="/app/events"> names the stream; each element with data-live and an id is made like its own of a
// fresh fragment. <body data-gone="/app"> is where to go once the page is not the reader's any more. Whoever wants to
// know hears "live:updated" on the document. What is shown is never called fresh while the stream is lost or the
// fragment did not come.
import { morph } from "./morph.js";

const SILENCE_MS = 40000; // the stream ticks every 15 s
const banner = document.getElementById("connection");
let source = null;
let heard = 0;
let asking = null;
let isAskedAgain = false;
let failures = 0;
let lostTimer = null;
let begun = 0;
// A page of everything need not follow each commit of a busy minute: data-live-every says at most how often.
const EVERY_MS = Number(document.querySelector("[data-live-every]")?.dataset.liveEvery ?? 0);
// As long as a question is waited for.
const LIMIT_MS = 10000;
const pause = (ms) => (ms > 0 ? new Promise((done) => { setTimeout(done, ms); }) : null);
// Whoever is on his way to another page is not to be called back to this one.
let isLeaving = false;
addEventListener("beforeunload", () => {
  isLeaving = true;
  setTimeout(() => { isLeaving = false; }, 10000);
});

function say(text) {
  banner.textContent = text;
  banner.hidden = !text;
  for (const part of document.querySelectorAll("[data-live]")) part.classList.toggle("stale", Boolean(text));
}

function lost() {
  // A stream that comes back at once is nothing to trouble anybody with.
  lostTimer ??= setTimeout(() => say("Connection lost. What you see may be out of date; trying again."), 2500);
}

function found() {
  clearTimeout(lostTimer);
  lostTimer = null;
  say("");
}

async function ask() {
  const answer = await fetch(location.href, {
    headers: { "X-Fragment": "live" },
    cache: "no-store",
    redirect: "manual",
    // A server that takes the question and never answers must not keep the page from asking again.
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  // Signed out, or no longer ours to see: the page itself will say which.
  if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) {
    if (isLeaving) return;
    const gone = answer.status === 404 && document.body.dataset.gone;
    if (gone) location.replace(gone);
    else location.reload();
    return;
  }
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const here = document.getElementById(part.id);
    if (here) morph(here, part);
  }
  document.title = fresh.title;
  document.dispatchEvent(new CustomEvent("live:updated"));
}

/** Ask for the moving part now; calls that come meanwhile share one more. Resolves when what is shown is fresh. */
export function refresh() {
  if (asking) {
    isAskedAgain = true;
    return asking;
  }
  asking = (async () => {
    do {
      await pause(begun + EVERY_MS - Date.now());
      begun = Date.now();
      isAskedAgain = false;
      try {
        await ask();
        failures = 0;
        if (!source || source.readyState === EventSource.OPEN) found();
      } catch {
        failures += 1;
        lost();
        setTimeout(refresh, Math.min(30000, 1000 * 2 ** failures));
      }
    } while (isAskedAgain);
    asking = null;
  })();
  return asking;
}

function open(url) {
  source?.close();
  source = new EventSource(url);
  const alive = () => { heard = Date.now(); };
  source.addEventListener("hello", () => {
    alive();
    // What was committed between the page and the stream nobody tells, nor what a server missed that was stopped.
    refresh();
  });
  source.addEventListener("tick", alive);
  source.addEventListener("change", (event) => {
    alive();
    document.dispatchEvent(new CustomEvent("live:change", { detail: JSON.parse(event.data).sids }));
    refresh();
  });
  source.addEventListener("available", (event) => {
    alive();
    document.dispatchEvent(new CustomEvent("live:available", { detail: JSON.parse(event.data) }));
  });
  source.addEventListener("elsewhere", () => {
    // Somebody has many pages open. This one rests until it is looked at.
    source.close();
    if (document.visibilityState === "visible") setTimeout(() => open(url), 15000);
  });
  source.addEventListener("over", () => {
    // Signed out, here or elsewhere: the page is asked for, and the sign-in comes.
    source.close();
    refresh();
  });
  source.addEventListener("error", () => {
    lost();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { open(url); refresh(); }, 5000);
  });
  alive();
}

/** Listen to the stream the page names, if it names one. */
export function stayLive() {
  const url = document.querySelector("[data-live-from]")?.dataset.liveFrom;
  if (!url) return;
  open(url);
  setInterval(() => {
    if (Date.now() - heard > SILENCE_MS) {
      lost();
      open(url);
    }
  }, 5000);
  const back = () => {
    if (document.visibilityState !== "visible") return;
    if (source.readyState === EventSource.CLOSED) open(url);
    refresh();
  };
  document.addEventListener("visibilitychange", back);
  addEventListener("online", back);
  // A page that comes out of the browser's memory shows what was.
  addEventListener("pageshow", (event) => { if (event.persisted) back(); });
  addEventListener("offline", lost);
}
