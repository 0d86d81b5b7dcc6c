// The right side: who works here, who is available, and the answers of those who are in the conversation.

import * as api from "./api.js";
import { byId, composer, reconcile, setText, slot, stamp } from "./dom.js";
import { keep, kept } from "./kept.js";
import * as model from "./model.js";

/** `attempt(what, call)` runs an API call and tells of a failure. Returns `render({state, conversation})`. */
export function workersPart(attempt) {
  let shown = null;
  byId("close").addEventListener("click", () => attempt("The conversation was not closed", () => api.close(shown.sid)));
  return ({ state, conversation }) => {
    shown = conversation;
    byId("no-staff").hidden = state.workers.length > 0;
    renderStaff(state, conversation, () => shown, attempt);
    renderDesk(state, conversation, attempt);
  };
}

function renderStaff(state, conversation, current, attempt) {
  const create = (worker) => {
    const row = stamp("worker");
    slot(row, "switch").addEventListener("change", (event) => switchOver(event.target, worker.identity, attempt));
    slot(row, "join").addEventListener("click", () =>
      attempt(`${worker.identity} did not join`, () => api.join(current().sid, worker.identity)));
    return row;
  };
  const update = (row, worker) => updateWorker(row, worker, state, conversation);
  reconcile(byId("staff"), state.workers, (worker) => worker.sid, create, update);
}

async function switchOver(control, identity, attempt) {
  const wanted = control.checked;
  const done = await attempt(`${identity} was not switched`, () => api.setWorker(identity, wanted));
  if (!done) control.checked = !wanted;
}

function updateWorker(row, worker, state, conversation) {
  const open = Boolean(conversation) && conversation.state !== "closed";
  const here = open && model.participantFor(conversation, worker.identity);
  const withHim = (one) => one.state !== "closed" && model.participantFor(one, worker.identity);
  const customers = state.conversations.filter(withHim).length;
  setText(slot(row, "identity"), worker.identity);
  slot(row, "identity").title = worker.identity;
  setText(slot(row, "status"), `${worker.available ? "Available" : "Away"}${customers ? ` · with ${customers}` : ""}`);
  slot(row, "join").hidden = !open || Boolean(here);
  slot(row, "join").setAttribute("aria-label", `${worker.identity} joins the conversation`);
  slot(row, "switch").checked = worker.available;
  slot(row, "switch").setAttribute("aria-label", `${worker.identity} is available`);
}

function renderDesk(state, conversation, attempt) {
  const open = Boolean(conversation) && conversation.state !== "closed";
  byId("desk").hidden = !open;
  const here = open ? state.workers.filter((worker) => model.participantFor(conversation, worker.identity)) : [];
  byId("nobody-here").hidden = here.length > 0;
  const keyOf = (worker) => `${conversation.sid} ${worker.sid}`;
  reconcile(byId("replies"), here, keyOf, (worker) => reply(conversation.sid, worker, attempt), () => {});
}

function reply(conversationSid, { identity }, attempt) {
  const card = stamp("reply");
  const draft = `reply ${conversationSid} ${identity}`;
  setText(slot(card, "identity"), identity);
  slot(card, "leave").setAttribute("aria-label", `${identity} leaves the conversation`);
  slot(card, "leave").addEventListener("click", () =>
    attempt(`${identity} did not leave`, () => api.leave(conversationSid, identity)));
  const text = composer(slot(card, "form"), async (body) => {
    const written = text.value;
    text.value = "";
    const done = await attempt("The answer was not sent", () => api.answer(conversationSid, identity, body));
    if (!done && !text.value) text.value = written;
    keep(draft, text.value);
  });
  text.setAttribute("aria-label", `Answer as ${identity}`);
  text.value = kept(draft, "");
  text.addEventListener("input", () => keep(draft, text.value));
  return card;
}
