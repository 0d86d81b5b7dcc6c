// A call from the phone in hand: what its caller hears and what may be pressed, until somebody hangs up.

import * as api from "./api.js";
import { byId, reconcile, setText, stamp } from "./dom.js";

const KEYS = [..."123456789*0#"];

/** Returns `render({state, phone})`. */
export function callPart() {
  const box = byId("call-dialog");
  const form = byId("call-form");
  const number = form.elements.number;
  let phone = null;
  let ours = "";
  let call = null;
  // Grows with every call and every closing: an answer that comes later is another call's.
  let turn = 0;

  function show(told, status) {
    call = told;
    const asks = told?.waits_for ?? null;
    form.hidden = Boolean(told) || status !== "";
    byId("call").hidden = !form.hidden;
    byId("keypad").hidden = asks !== "digits";
    byId("rung").hidden = asks !== "dial";
    byId("hang-up").hidden = asks === null;
    setText(byId("call-status"), status || statusOf(told));
    const words = (told?.said ?? []).map((text, index) => ({ key: String(index), text }));
    reconcile(byId("heard"), words, (word) => word.key, () => stamp("heard"), (item, word) => setText(item, word.text));
    byId("heard").lastElementChild?.scrollIntoView({ block: "nearest" });
    if (told) next(asks).focus();
  }

  /** Where the keyboard goes on. */
  function next(asks) {
    if (asks === "digits") return byId("keys").firstElementChild;
    return asks === "dial" ? byId("rung").firstElementChild : box.querySelector("[data-close]");
  }

  /** What was asked is under way; its answer is shown, unless the dialog was closed meanwhile. */
  async function ask(what, status) {
    turn += 1;
    const mine = turn;
    box.setAttribute("aria-busy", "true");
    setText(byId("call-status"), status);
    try {
      const told = await what();
      if (mine !== turn) leave(told);
      else show(told, "");
    } catch (refused) {
      if (!(refused instanceof api.Refused)) throw refused;
      if (mine === turn) show(null, `The call was cut off: ${refused.message}.`);
    } finally {
      if (mine === turn) box.removeAttribute("aria-busy");
    }
  }

  const isBusy = () => box.hasAttribute("aria-busy");
  const goOn = (act, status) => call?.waits_for && !isBusy() && ask(() => api.goOn(call.call_sid, act), status);
  const press = (key) => call?.waits_for === "digits" && goOn({ press: key }, key === null ? "Waiting…" : `Pressed ${key}`);

  for (const key of KEYS) {
    const button = stamp("key");
    setText(button, key);
    button.addEventListener("click", () => press(key));
    byId("keys").append(button);
  }
  byId("press-nothing").addEventListener("click", () => press(null));
  byId("hang-up").addEventListener("click", () => goOn({ hang_up: true }, "Hanging up…"));
  for (const button of byId("rung").querySelectorAll("[data-dial]")) {
    button.addEventListener("click", () => goOn({ dial: button.dataset.dial }, "…"));
  }
  box.addEventListener("keydown", ({ key, target }) => {
    if (KEYS.includes(key) && target !== number) press(key);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const to = number.value.replace(/[\s().-]/g, "");
    show(null, `Calling ${to}…`);
    ask(() => api.call(phone.number, to), `Calling ${to}…`);
  });
  byId("call-button").addEventListener("click", () => {
    show(null, "");
    number.value = ours;
    setText(byId("call-from"), `From ${phone.number}`);
    box.showModal();
  });
  box.querySelector("[data-close]").addEventListener("click", () => box.close());
  box.addEventListener("close", () => {
    turn += 1;
    box.removeAttribute("aria-busy");
    leave(call);
    call = null;
  });

  return ({ state, phone: inHand }) => {
    byId("call-button").hidden = inHand.channel !== "sms";
    ours = state.numbers.sms ?? "";
    if (!box.open) phone = inHand;
  };
}

/** Whoever closes the dialog has hung up; nobody is left to hear that it did not work. */
function leave(call) {
  if (call?.waits_for) api.goOn(call.call_sid, { hang_up: true }).catch(() => {});
}

function statusOf(call) {
  if (!call) return "";
  if (call.waits_for === "digits") return "He may press a key now.";
  if (call.waits_for === "dial") return `Ringing ${call.dialed.at(-1)?.to ?? ""}`;
  return call.error ? `The caller hears an error tone: ${call.error}.` : "The call is over.";
}
