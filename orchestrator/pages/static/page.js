// What every page has: time zone, dialogs, menus, pictures that do not load, toasts, and staying live.
import { stayLive } from "./live.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const known = document.cookie.split("; ").find((one) => one.startsWith("tz="));
if (known !== `tz=${zone}`) {
  document.cookie = `tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax`;
}

// A picture that does not load leaves the initials behind it. Errors do not bubble, so they are caught on their way down.
document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement && "mayFail" in event.target.dataset) event.target.hidden = true;
}, true);
for (const img of document.querySelectorAll("img[data-may-fail]")) {
  if (img.complete && img.naturalWidth === 0 && img.currentSrc) img.hidden = true;
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.opens);
    if (dialog && !dialog.open) {
      event.preventDefault();
      dialog.showModal();
      dialog.dispatchEvent(new CustomEvent("opened"));
    }
    return;
  }
  const closer = event.target.closest("[data-closes]");
  const dialog = event.target.closest("dialog");
  if (dialog?.open && (closer || event.target === dialog)) {
    event.preventDefault();
    dialog.close();
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// "now" and "5 min" grow old while a page stands open; from an hour on the server's words stay true.
function age(time) {
  const minutes = Math.floor((Date.now() - Date.parse(time.dateTime)) / 60000);
  if (minutes < 60) time.textContent = minutes < 1 ? "now" : `${minutes} min`;
}
setInterval(() => document.querySelectorAll("time[data-ago]").forEach(age), 30000);

stayLive();
