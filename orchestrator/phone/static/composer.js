// Writing: Enter sends, Shift-Enter breaks the line, what is begun survives a reload, and nothing is sent twice.
//
// A message goes out under a token of its own. Until the server has it, it stands in the list of what is not sent, and
// on this device; "Try again" sends it under the same token, so a message whose answer was lost is not doubled. Once the
// server has it, its own "sending" takes over.
import { post } from "../posting.js";
import { refresh } from "../live.js";

const person = document.body.dataset.person;
const form = document.getElementById("composer");
const field = document.getElementById("body");
const list = document.getElementById("unsent");
let sid = "";
let onSent = () => {};
let turn = Promise.resolve();

const draftKey = () => `draft:${person}:${sid}`;
const unsentKey = () => `unsent:${person}:${sid}`;
const stored = () => JSON.parse(localStorage.getItem(unsentKey()) ?? "[]");

function store(messages) {
  if (messages.length) localStorage.setItem(unsentKey(), JSON.stringify(messages));
  else localStorage.removeItem(unsentKey());
}

function keepDraft() {
  if (field.value) localStorage.setItem(draftKey(), field.value);
  else localStorage.removeItem(draftKey());
}

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  field.rows = Math.min(8, field.value.split("\n").length);
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function show(message) {
  const item = element("li", "message worker own", "");
  const bubble = element("p", "bubble", message.body);
  bubble.dir = "auto";
  item.append(bubble, element("p", "meta", ""));
  item.dataset.token = message.token;
  list.append(item);
  list.hidden = false;
  return item;
}

function say(item, text, isFailed, ...buttons) {
  item.classList.toggle("failed", isFailed);
  item.querySelector(".meta").replaceChildren(element("span", isFailed ? "status failed" : "status sending", text), ...buttons);
}

function button(text, act) {
  const made = element("button", "again", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function forget(item, message) {
  store(stored().filter((one) => one.token !== message.token));
  item.remove();
  list.hidden = !list.children.length;
}

// Why it was not sent; without a reason nobody knows whether it was: no answer has come.
function keepReason(message, reason) {
  store(stored().map((one) => (one.token === message.token ? { ...one, reason } : one)));
}

function failed(item, message, reason) {
  keepReason(message, reason);
  say(item, reason ? `Not sent · ${reason} ` : "It is not known whether this was sent. ", true,
    button("Try again", () => send(item, message)), " ",
    button("Discard", () => { forget(item, message); field?.focus(); }));
  onSent();
}

async function attempt(item, message) {
  keepReason(message, undefined);
  say(item, "Sending", false);
  let answer;
  try {
    answer = await post(`/app/c/${sid}/write`, { body: message.body, token: message.token });
  } catch {
    failed(item, message, navigator.onLine ? undefined : "No connection.");
    return;
  }
  if (!answer.ok) {
    const reason = await answer.json().then((told) => told.error, () => "The server could not take it.");
    failed(item, message, reason ?? "The server could not take it.");
    // What does not hold any more, the page need not go on saying: WhatsApp's window may just have closed.
    refresh();
    return;
  }
  await refresh();
  forget(item, message);
  onSent();
}

// One after the other: customers read them in the order they were written.
function send(item, message) {
  turn = turn.then(() => attempt(item, message));
}

function submit() {
  const body = field.value.trim();
  if (!body) return;
  const message = { body, token: crypto.randomUUID() };
  store([...stored(), message]);
  field.value = "";
  keepDraft();
  grow();
  const item = show(message);
  onSent();
  send(item, message);
}

/** Put a text into the composer: a quick reply to begin with. */
export function insert(text) {
  if (!field) return;
  field.value = field.value ? `${field.value.trimEnd()} ${text}` : text;
  keepDraft();
  grow();
  field.focus();
}

// Where nobody can write any more, what was begun stands among what is not sent: to be copied, or discarded.
function end() {
  const body = localStorage.getItem(draftKey());
  if (form?.isConnected || !body) return;
  localStorage.removeItem(draftKey());
  const message = { body, token: crypto.randomUUID() };
  store([...stored(), message]);
  failed(show(message), message, "You cannot write here now.");
}

/** Let the composer work for one conversation; `whenSent` is called whenever what is shown below has changed. */
export function compose(forSid, whenSent) {
  sid = forSid;
  onSent = whenSent;
  for (const message of stored()) failed(show(message), message, message.reason);
  end();
  document.addEventListener("live:updated", end);
  if (!form) return;
  field.value ||= localStorage.getItem(draftKey()) ?? "";
  grow();
  field.addEventListener("input", () => { keepDraft(); grow(); });
  field.addEventListener("keydown", (event) => {
    // While a text is composed (IME), Enter chooses; Safari tells it by the key code alone.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
    field.focus();
  });
}
