// A conversation: the newest message in sight, what was seen, and quick replies for the composer.
import { post } from "../posting.js";
import { closeSheet } from "./sheets.js";
import { compose, insert } from "./composer.js";

const pane = document.getElementById("scroll");
const main = document.getElementById("main");
const isPast = new URLSearchParams(location.search).has("before");
let isAtEnd = !isPast;

const toEnd = () => { pane.scrollTop = pane.scrollHeight; };

pane.addEventListener("scroll", () => {
  isAtEnd = !isPast && pane.scrollHeight - pane.scrollTop - pane.clientHeight < 80;
}, { passive: true });
// Pictures that load late, keyboards that open, messages that come: whoever read the end goes on reading it.
new ResizeObserver(() => { if (isAtEnd) toEnd(); }).observe(document.getElementById("thread"));
new ResizeObserver(() => { if (isAtEnd) toEnd(); }).observe(pane);
if (!isPast) toEnd();

let seen = Number(main.dataset.version);
function look() {
  const version = Number(main.dataset.version);
  if (document.visibilityState !== "visible" || version <= seen) return;
  seen = version;
  post(`/app/c/${main.dataset.sid}/seen`, { version }).catch(() => { seen = 0; });
}
document.addEventListener("live:updated", () => {
  if (isAtEnd) toEnd();
  look();
});
document.addEventListener("visibilitychange", look);

document.addEventListener("click", (event) => {
  const pick = event.target.closest("[data-reply]");
  if (!pick) return;
  closeSheet();
  insert(pick.dataset.reply);
});

compose(main.dataset.sid, () => { isAtEnd = true; toEnd(); });
