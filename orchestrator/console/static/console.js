// The workbench: the slider through a conversation's history, and an address that says no twice that something was done.
import { refresh } from "../live.js";

const address = new URL(location.href);
if (address.searchParams.has("did")) {
  address.searchParams.delete("did");
  history.replaceState(null, "", address);
}

// The slider shows each version at once; the address follows it, so reloading and passing it on show the same.
let wanted = null;
document.addEventListener("input", (event) => {
  if (event.target.id !== "version") return;
  const slider = event.target;
  document.getElementById("version-shown").textContent = slider.value;
  const here = new URL(location.href);
  if (slider.value === slider.max) here.searchParams.delete("version");
  else here.searchParams.set("version", slider.value);
  here.hash = "";
  history.replaceState(null, "", here);
  clearTimeout(wanted);
  wanted = setTimeout(refresh, 60);
});

// While a conversation is watched live the knob stays at the end.
document.addEventListener("live:updated", () => {
  const slider = document.getElementById("version");
  if (!slider) return;
  const version = new URL(location.href).searchParams.get("version");
  slider.value = version ?? slider.max;
});

document.documentElement.classList.add("scripted");

// A form that is on its way is not sent twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
