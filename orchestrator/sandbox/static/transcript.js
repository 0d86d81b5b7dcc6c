// The middle: one conversation as it is published, who is in it, and the way to its state in the service.

import { byId, reconcile, setText, showText, slot, stamp, stayAtEnd } from "./dom.js";
import * as model from "./model.js";

/** `onPick(sid)` is called when a conversation is chosen. Returns `render({state, conversation})`. */
export function transcriptPart(onPick) {
  const pick = byId("pick");
  pick.addEventListener("change", () => onPick(pick.value));
  let shown = null;
  return ({ state, conversation }) => {
    byId("no-conversation").hidden = Boolean(conversation);
    byId("record").hidden = !conversation;
    renderPick(pick, state, conversation);
    if (!conversation) return;
    renderHead(state, conversation);
    const entries = byId("entries");
    stayAtEnd(entries, () => renderEntries(entries, state, conversation));
    if (shown !== conversation.sid) entries.scrollTop = entries.scrollHeight;
    shown = conversation.sid;
  };
}

function renderPick(pick, state, conversation) {
  pick.hidden = state.conversations.length < 2;
  reconcile(pick, state.conversations, (one) => one.sid, () => document.createElement("option"), (option, one) => {
    option.value = one.sid;
    setText(option, `${model.conversationName(one)} · ${one.state} · ${one.messages.length}`);
  });
  if (conversation) pick.value = conversation.sid;
}

function renderHead(state, conversation) {
  setText(byId("conversation-name"), model.conversationName(conversation));
  setText(byId("conversation-sid"), conversation.sid);
  setText(byId("conversation-state"), conversation.state);
  byId("conversation-state").dataset.state = conversation.state;
  renderDumpLink(byId("dump"), state.service_url ?? "", conversation.sid);
  reconcile(byId("people"), conversation.participants, (one) => one.sid, () => stamp("person"), (chip, one) => {
    const worker = Boolean(one.identity) && model.isWorker(state, one.identity);
    chip.classList.toggle("worker", worker);
    setText(slot(chip, "name"), model.participantName(one));
    setText(slot(chip, "role"), worker ? "worker" : "customer");
  });
}

function renderDumpLink(link, serviceUrl, sid) {
  link.hidden = !/^https?:\/\//.test(serviceUrl);
  link.href = link.hidden ? "" : `${serviceUrl.replace(/\/$/, "")}/debug/conversations/${encodeURIComponent(sid)}`;
}

function renderEntries(list, state, conversation) {
  const messages = model.inOrder(conversation.messages);
  reconcile(list, messages, (message) => message.sid, () => stamp("entry"), (entry, message) => {
    const key = model.effectKey(message);
    entry.dataset.role = model.roleOf(state, conversation, message);
    setText(slot(entry, "index"), String(message.index));
    setText(slot(entry, "author"), message.author ?? "");
    setText(slot(entry, "time"), model.clock(message.date_created, { second: "2-digit" }));
    slot(entry, "time").dateTime = message.date_created ?? "";
    showText(slot(entry, "tag"), key ? `effect ${key.slice(key.indexOf("/") + 1)}` : "");
    slot(entry, "tag").title = key ?? "";
    setText(slot(entry, "body"), message.body ?? "");
    showText(slot(entry, "media"), model.mediaText(message));
  });
}
