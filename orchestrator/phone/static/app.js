// What every page of the app does: the switch, sheets, forms that stay on the page, the service worker, signing out.
import { post } from "../posting.js";
import { refresh } from "../live.js";
import { toast } from "../toast.js";
import "./sheets.js";
import "./alerts.js";

// The server's own refusal is a plain Error; anything else is the network's.
const reason = (error) => (error.constructor === Error ? error.message : "No connection. Try again in a moment.");

const availability = document.getElementById("availability");
const available = availability?.querySelector("[role=switch]");
const isBusy = () => available.getAttribute("aria-disabled") === "true";

function showAvailability(isOn) {
  available.setAttribute("aria-checked", String(isOn));
  available.value = String(!isOn);
  available.querySelector("[data-word]").textContent = isOn ? "Available" : "Away";
  availability.hidden = false;
  document.getElementById("availability-unknown").hidden = true;
}

const sayAvailability = (isOn) => toast(isOn ? "You are available for new customers." : "You are away. New customers go to your colleagues.");

availability?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (isBusy()) return;
  const wanted = available.value;
  available.setAttribute("aria-disabled", "true");
  try {
    const answer = await post(availability.action, { available: wanted });
    if (!answer.ok) throw new Error((await answer.json()).error);
    showAvailability(wanted === "true");
    sayAvailability(wanted === "true");
  } catch (error) {
    toast(reason(error));
  }
  available.removeAttribute("aria-disabled");
});

// Another page of his, TaskRouter or a colleague may have changed it; who is changing it here hears of it anyway.
document.addEventListener("live:available", ({ detail: isOn }) => {
  if (!available || isBusy() || (available.getAttribute("aria-checked") === String(isOn) && !availability.hidden)) return;
  showAvailability(isOn);
  sayAvailability(isOn);
});

// Forms that belong to the page they are on: they are sent, and the page is made fresh.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-inline]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  try {
    const answer = await post(form.action, new FormData(form));
    if (!answer.ok) throw new Error((await answer.json()).error);
    form.reset();
    await refresh();
  } catch (error) {
    toast(reason(error));
  }
  button.disabled = false;
});

// What was begun on this device is nobody else's to read.
document.querySelector("form[action='/signout']")?.addEventListener("submit", () => {
  for (const name of Object.keys(localStorage)) if (/^(draft|unsent):/.test(name)) localStorage.removeItem(name);
});

const said = document.getElementById("done");
if (said) {
  toast(said.textContent.trim());
  said.remove();
  history.replaceState(null, "", location.pathname);
}

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/app/sw.js", { scope: "/app" }).catch(() => {});
