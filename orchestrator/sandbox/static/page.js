// The page: holds the state and what is selected, hands both to its parts, and opens its dialogs.

import * as api from "./api.js";
import { callPart } from "./call.js";
import { byId, setText } from "./dom.js";
import { faultsPart } from "./faults.js";
import { keep, kept } from "./kept.js";
import { Live } from "./live.js";
import * as model from "./model.js";
import { phonePart } from "./phone.js";
import { transcriptPart } from "./transcript.js";
import { workersPart } from "./workers.js";

const STATUS = {
  live: { chip: "Live", warning: "" },
  reconnecting: { chip: "Not live", warning: "Reconnecting… What you see may be out of date." },
};
const presets = JSON.parse(document.querySelector("main").dataset.phones).map(([channel, number]) => ({ channel, number }));

let state = null;
let phoneKey = kept("phone", model.phoneKey(presets[0]));
let picked = null;

const live = new Live(
  (fetched) => {
    state = fetched;
    render();
  },
  (status) => {
    document.body.dataset.live = status;
    setText(byId("live-text"), STATUS[status].chip);
    setText(byId("stale"), STATUS[status].warning);
  },
);

const parts = [
  phonePart(choosePhone, () => {
    picked = null;
    return live.refresh();
  }),
  callPart(),
  transcriptPart(chooseConversation),
  workersPart(attempt),
  faultsPart(attempt),
];

/** Runs an API call and shows its effect; a failure is told in the notice. Returns whether it was done. */
async function attempt(what, call) {
  try {
    await call();
    showNotice("");
    return true;
  } catch (refused) {
    if (!(refused instanceof api.Refused)) throw refused;
    showNotice(`${what}: ${refused.message}.`);
    return false;
  } finally {
    await live.refresh();
  }
}

function showNotice(text) {
  byId("notice").hidden = !text;
  setText(byId("notice").firstElementChild, text);
}

const phonesNow = () => model.allPhones(state, [...presets, ...kept("phones", [])]);

function render() {
  if (!state) return;
  const phones = phonesNow();
  const phone = phones.find((one) => model.phoneKey(one) === phoneKey) ?? phones[0];
  const ofPhone = model.conversationsOf(state, phone);
  const conversation = state.conversations.find((one) => one.sid === picked) ?? ofPhone[0] ?? null;
  setText(byId("account"), state.service_url ? `${state.account_sid} → ${state.service_url}` : state.account_sid);
  for (const part of parts) part({ state, phones, phone, conversation });
}

function choosePhone(phone) {
  phoneKey = model.phoneKey(phone);
  picked = null;
  keep("phone", phoneKey);
  render();
}

function chooseConversation(sid) {
  const conversation = state.conversations.find((one) => one.sid === sid);
  const phone = model.phoneOf(state, phonesNow(), conversation);
  if (phone) choosePhone(phone);
  picked = sid;
  render();
}

/** Opens a dialog from its button; `onOk(form)` runs when it was confirmed. */
function dialog(buttonId, dialogId, onOk) {
  const box = byId(dialogId);
  const form = box.querySelector("form");
  byId(buttonId).addEventListener("click", () => {
    box.returnValue = "";
    form.reset();
    box.showModal();
  });
  box.querySelector("[data-close]").addEventListener("click", () => box.close());
  box.addEventListener("close", () => {
    if (box.returnValue === "ok") onOk(form.elements);
  });
}

function typedPhone({ channel, number }) {
  const typed = number.value.trim().replace(/^whatsapp:/, "");
  return { channel: channel.value, number: channel.value === "chat" ? typed : typed.replace(/[\s().-]/g, "") };
}

byId("phone-dialog").addEventListener("input", ({ currentTarget }) => {
  const fields = currentTarget.querySelector("form").elements;
  const { channel, number } = typedPhone(fields);
  const isOne = channel === "chat" || /^\+[1-9]\d{1,14}$/.test(number);
  fields.number.setCustomValidity(isOne ? "" : "A number with its country code is needed, like +15550100042.");
});
dialog("add-phone", "phone-dialog", (fields) => {
  const phone = typedPhone(fields);
  keep("phones", [...kept("phones", []), phone]);
  choosePhone(phone);
  byId("composer-text").focus();
});
dialog("add-worker", "worker-dialog", ({ identity, available }) =>
  attempt("The worker was not added", () => api.setWorker(identity.value.trim(), available.checked)));
dialog("reset", "reset-dialog", () => attempt("The sandbox was not reset", api.reset));

byId("notice").querySelector("button").addEventListener("click", () => showNotice(""));
document.addEventListener("visibilitychange", () => document.hidden || live.refresh());

const tabs = [...document.querySelectorAll(".nav button")];
for (const tab of tabs) {
  tab.addEventListener("click", () => {
    document.body.dataset.panel = tab.dataset.to;
    if (tab.dataset.to === "faults") byId("faults-details").open = true;
    for (const other of tabs) other.removeAttribute("aria-current");
    tab.setAttribute("aria-current", "true");
  });
}

live.connect();
