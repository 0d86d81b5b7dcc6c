// The left side: the list of phones, and the phone in hand with its conversation and its composer.

import { byId, composer, reconcile, setText, showText, slot, stamp, stayAtEnd } from "./dom.js";
import { keep, kept } from "./kept.js";
import * as model from "./model.js";
import { Outbox } from "./outbox.js";

const DEFAULT_SUGGESTIONS = ["Hello", "AGENT"];

/**
 * `onChoose(phone)` is called when a phone is picked up, `onSent()` (awaited) once a message has been taken in.
 * Returns `render(view)`, with `view` = `{state, phones, phone}`.
 */
export function phonePart(onChoose, onSent) {
  const chat = byId("chat");
  let view = null;
  const outbox = new Outbox((key, body) => countPublished(view, key, body), () => render(view), onSent);
  const text = composer(byId("composer"), (body) => {
    text.value = "";
    keep(draftKey(view.phone), "");
    outbox.send(view.phone, body);
    chat.scrollTop = chat.scrollHeight;
  });
  text.addEventListener("input", () => keep(draftKey(view.phone), text.value));

  function render(next) {
    const changed = !view || model.phoneKey(view.phone) !== model.phoneKey(next.phone);
    view = next;
    if (changed) text.value = kept(draftKey(view.phone), "");
    text.disabled = false;
    renderPhones(view, onChoose);
    renderDevice(view);
    renderSuggestions(view, (body) => outbox.send(view.phone, body));
    // Another phone's messages are no news: they are shown without being announced.
    chat.setAttribute("aria-live", changed ? "off" : "polite");
    stayAtEnd(chat, () => renderChat(view, outbox));
    if (changed) chat.scrollTop = chat.scrollHeight;
  }
  return render;
}

function countPublished({ state, phones }, key, body) {
  const phone = phones.find((one) => model.phoneKey(one) === key);
  const messages = phone ? model.conversationsOf(state, phone).flatMap((conversation) => conversation.messages) : [];
  return messages.filter((message) => message.body === body && model.writtenBy(message, phone)).length;
}

const draftKey = (phone) => `draft ${model.phoneKey(phone)}`;

function renderPhones({ state, phones, phone }, onChoose) {
  const create = (item) => {
    const row = stamp("phone");
    row.querySelector("input").addEventListener("change", () => onChoose(item));
    return row;
  };
  reconcile(byId("phones"), phones, model.phoneKey, create, (row, item) => {
    const name = model.phoneName(state, item);
    const last = model.inOrder(model.conversationsOf(state, item)[0]?.messages ?? []).at(-1);
    row.querySelector("input").checked = model.phoneKey(item) === model.phoneKey(phone);
    setText(slot(row, "face"), model.initials(name));
    setText(slot(row, "name"), name);
    setText(slot(row, "last"), last ? last.body || model.mediaText(last) : "Nothing sent yet");
    setText(slot(row, "channel"), model.channelName(item.channel));
  });
}

function renderDevice({ state, phone }) {
  const to = state.numbers[phone.channel];
  setText(byId("device-name"), phone.number);
  setText(byId("device-to"), `${model.channelName(phone.channel)}${to ? ` to ${to.replace("whatsapp:", "")}` : ""}`);
}

function renderSuggestions({ state }, onPick) {
  const worker = state.workers.find((one) => one.available) ?? state.workers[0];
  const texts = worker ? [...DEFAULT_SUGGESTIONS, worker.identity] : DEFAULT_SUGGESTIONS;
  const create = (body) => {
    const button = stamp("suggestion");
    button.addEventListener("click", () => onPick(body));
    return button;
  };
  reconcile(byId("suggestions"), texts, (body) => body, create, (button, body) => setText(slot(button, "text"), body));
}

function renderChat({ state, phone }, outbox) {
  const conversations = model.conversationsOf(state, phone);
  const conversation = conversations[0];
  const messages = model.inOrder(conversation?.messages ?? []);
  const unsent = outbox.of(phone);
  byId("welcome").hidden = Boolean(conversation) || unsent.length > 0;
  byId("earlier").hidden = conversations.length < 2;
  byId("closed-note").hidden = conversation?.state !== "closed";
  reconcile(byId("bubbles"), messages, (message) => message.sid, () => stamp("bubble"), (bubble, message) => {
    const mine = model.writtenBy(message, phone);
    const role = mine ? "mine" : model.roleOf(state, conversation, message);
    bubble.className = `bubble ${role}`;
    setText(slot(bubble, "author"), mine ? "" : role === "bot" ? "Bot" : message.author);
    setText(slot(bubble, "body"), message.body ?? "");
    showText(slot(bubble, "media"), model.mediaText(message));
    setText(slot(bubble, "time"), model.clock(message.date_created));
  });
  reconcile(byId("outgoing"), unsent, (item) => item.id, (item) => outgoing(item, outbox), updateOutgoing);
}

function outgoing(item, outbox) {
  const bubble = stamp("outgoing");
  setText(slot(bubble, "body"), item.body);
  slot(bubble, "retry").addEventListener("click", () => outbox.retry(item.id));
  slot(bubble, "discard").addEventListener("click", () => outbox.discard(item.id));
  return bubble;
}

function updateOutgoing(bubble, item) {
  const failed = item.reason !== null;
  bubble.classList.toggle("failed", failed);
  slot(bubble, "actions").hidden = !failed;
  setText(slot(bubble, "status"), failed ? `Not sent: ${item.reason}` : "Sending…");
}
