// What the state means, as plain functions: whose phone, which conversation, who wrote.

const CHANNELS = { sms: "SMS", whatsapp: "WhatsApp", messenger: "Messenger", rcs: "RCS", chat: "Chat" };
const PREFIXED = ["whatsapp", "messenger", "rcs"];

export const channelName = (channel) => CHANNELS[channel] ?? channel;

export const phoneKey = ({ channel, number }) => `${channel}:${number}`;

/** The address Twilio shows for a phone. */
const addressOf = ({ channel, number }) => (PREFIXED.includes(channel) ? `${channel}:${number}` : number);

function phoneAt(address) {
  const channel = PREFIXED.find((name) => address.startsWith(`${name}:`));
  if (channel) return { channel, number: address.slice(channel.length + 1) };
  return { channel: address.startsWith("+") ? "sms" : "chat", number: address };
}

/** The name the customer book gave a participant, or null; `attributes` is JSON in a string. */
function nameIn({ attributes }) {
  try {
    return String(JSON.parse(attributes).display_name ?? "") || null;
  } catch {
    return null;
  }
}

const same = (one, other) => (one ?? "").toLowerCase() === (other ?? "").toLowerCase();

export const isWorker = (state, identity) => state.workers.some((worker) => same(worker.identity, identity));

export const participantFor = (conversation, identity) =>
  conversation.participants.find((participant) => participant.identity && same(participant.identity, identity));

const bindingAddress = (participant) => participant.messaging_binding?.address ?? null;

// Every state brings new objects, so what is found out about a conversation holds as long as the object does.
const customers = new WeakMap();

/** The addresses of the customers in a conversation: bound ones, and chat identities that are no worker's. */
function customersIn(state, conversation) {
  if (!customers.has(conversation)) customers.set(conversation, findCustomers(state, conversation));
  return customers.get(conversation);
}

function findCustomers(state, { address, participants }) {
  const chatting = ({ identity }) => (isWorker(state, identity) ? null : identity);
  const found = participants.map((participant) => bindingAddress(participant) ?? chatting(participant));
  return [...new Set([address, ...found].filter(Boolean))];
}

/** The phones on the page: those given, then one for every customer of whom only the state knows. */
export function allPhones(state, given) {
  const addresses = [...state.conversations].reverse().flatMap((conversation) => customersIn(state, conversation));
  const unique = new Map([...given, ...addresses.map(phoneAt)].map((phone) => [phoneKey(phone), phone]));
  return [...unique.values()];
}

/** The conversations of one phone, newest first. */
export const conversationsOf = (state, phone) =>
  state.conversations.filter((conversation) => customersIn(state, conversation).includes(addressOf(phone)));

export const phoneOf = (state, phones, conversation) =>
  phones.find((phone) => customersIn(state, conversation).includes(addressOf(phone)));

/** What the customer book told about the owner of a phone, or the number while it told nothing. */
export function phoneName(state, phone) {
  for (const conversation of conversationsOf(state, phone)) {
    const owns = (one) => [bindingAddress(one), one.identity].includes(addressOf(phone));
    const participant = conversation.participants.find(owns);
    const name = participant && nameIn(participant);
    if (name) return name;
  }
  return phone.number;
}

export const participantName = (participant) =>
  nameIn(participant) || participant.identity || bindingAddress(participant) || participant.sid;

/** "customer", "bot" or "worker". */
export function roleOf(state, conversation, message) {
  if (message.author === "system") return "bot";
  return customersIn(state, conversation).includes(message.author) ? "customer" : "worker";
}

export const writtenBy = (message, phone) => message.author === addressOf(phone);

export const inOrder = (messages) => [...messages].sort((one, other) => one.index - other.index);

/** The key of the effect that sent a message (`CH…/version/ordinal`), or null; it travels in the attributes. */
export function effectKey(message) {
  return message.attributes?.match(/CH[0-9a-f]{32}\/\d+\/\d+/)?.[0] ?? null;
}

/** What a message carries besides its text: files, or the template whose text is Twilio's. */
export const mediaText = (message) =>
  [
    ...(message.media ?? []).map((item) => `Attached: ${item.filename || item.content_type || "a file"}`),
    ...(message.content_sid ? [`Template ${message.content_sid}`] : []),
  ].join("\n");

export const conversationName = (conversation) => conversation.friendly_name || conversation.address || conversation.sid;

/** The time of day, in the reader's zone; `detail` adds the seconds. */
export function clock(iso, detail = {}) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...detail });
}

/** Two signs for a phone's round badge: initials of a name, the end of a number. */
export function initials(name) {
  if (/^\+?\d+$/.test(name)) return name.slice(-2);
  const words = [...name.matchAll(/\p{L}+/gu)].map(([word]) => word);
  return words.slice(0, 2).map((word) => [...word][0]).join("").toUpperCase();
}
