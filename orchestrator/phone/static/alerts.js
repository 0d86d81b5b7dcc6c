// A sound and a notification when a customer waits, and a push when the app is closed. Each is a choice kept on this
// device; browsers let a page be heard only after it was touched.
import { post, csrf } from "../posting.js";
import { toast } from "../toast.js";

const TEXT = "A customer is waiting";
const soundButton = document.getElementById("sound");
const notifyButton = document.getElementById("notify");
let audio = null;

const isMuted = () => localStorage.getItem("muted") === "yes";

addEventListener("pointerdown", wake, { once: true });
addEventListener("keydown", wake, { once: true });
function wake() {
  audio ??= new AudioContext();
}

function ring() {
  if (isMuted() || !audio) return;
  audio.resume();
  [659, 880].forEach((pitch, step) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const at = audio.currentTime + step * 0.14;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.2, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.3);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.32);
  });
}

async function notify(sid) {
  if (document.visibilityState === "visible" || !("Notification" in window) || Notification.permission !== "granted") return;
  const options = { tag: sid, data: { sid }, icon: document.querySelector("link[rel=apple-touch-icon]").href };
  const registration = await navigator.serviceWorker?.getRegistration("/app");
  if (registration) registration.showNotification(TEXT, options);
  else new Notification(TEXT, options);
}

// The list says how much is unread; more than before is a customer who wrote, or one who is new here.
// Where there is no list, the sum in the bar does.
const unread = () => {
  const rows = document.getElementById("rows") ? "#rows > li" : "#nav [data-unread]";
  return new Map([...document.querySelectorAll(rows)].map((row) => [row.dataset.key, Number(row.dataset.unread)]));
};
let before = unread();
document.addEventListener("live:updated", () => {
  const now = unread();
  const shown = document.visibilityState === "visible" && document.querySelector("main[data-sid]")?.dataset.sid;
  const waiting = [...now].filter(([sid, count]) => count > (before.get(sid) ?? 0) && sid !== shown);
  before = now;
  if (!waiting.length) return;
  document.documentElement.dataset.rang = String(Number(document.documentElement.dataset.rang ?? 0) + 1);
  ring();
  notify(waiting[0][0]);
});

function word(button, text, isOn) {
  button.querySelector("[data-word]").textContent = text;
  button.setAttribute("aria-pressed", String(isOn));
}

function showSound() {
  word(soundButton, isMuted() ? "Sound off" : "Sound on", !isMuted());
}

if (soundButton) {
  soundButton.hidden = false;
  showSound();
  soundButton.addEventListener("click", () => {
    localStorage.setItem("muted", isMuted() ? "no" : "yes");
    showSound();
    ring();
  });
}

function bytes(key) {
  const text = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

async function pushManager() {
  const registration = "PushManager" in window && (await navigator.serviceWorker?.ready);
  return registration ? registration.pushManager : null;
}

const tell = (path, body) => fetch(`/app/push/${path}`, {
  method: "POST",
  headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf(), "X-Fragment": "post" },
  body: JSON.stringify(body),
});

async function turnOn() {
  if ((await Notification.requestPermission()) !== "granted") {
    toast("This browser does not allow notifications here. Its settings decide.");
    return;
  }
  localStorage.setItem("notify", "yes");
  word(notifyButton, "Notifications on", true);
  const manager = await pushManager();
  if (!manager) return;
  const { key } = await (await fetch("/app/push/key", { headers: { Accept: "application/json" } })).json();
  const subscription = await manager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  const answer = await tell("subscribe", subscription.toJSON());
  if (!answer.ok) toast("While the app is closed you are not notified on this device.");
}

async function turnOff() {
  localStorage.removeItem("notify");
  word(notifyButton, "Notify me", false);
  const subscription = await (await pushManager())?.getSubscription();
  if (!subscription) return;
  await tell("unsubscribe", { endpoint: subscription.endpoint });
  await subscription.unsubscribe();
}

if (notifyButton && "Notification" in window) {
  const isOn = () => localStorage.getItem("notify") === "yes" && Notification.permission === "granted";
  notifyButton.hidden = false;
  word(notifyButton, isOn() ? "Notifications on" : "Notify me", isOn());
  notifyButton.addEventListener("click", () => {
    (isOn() ? turnOff() : turnOn()).catch(() => toast("While the app is closed you are not notified on this device."));
  });
}

// Who signs out is not rung on this device any more.
document.querySelector("form[action='/signout']")?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (localStorage.getItem("notify") !== "yes" || form.dataset.isQuiet) return;
  event.preventDefault();
  form.dataset.isQuiet = "yes";
  await Promise.race([turnOff().catch(() => {}), new Promise((after) => setTimeout(after, 2000))]);
  form.submit();
});
