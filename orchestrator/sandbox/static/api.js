// The sandbox's control API, one function a route.

/** The sandbox did not do what was asked; `message` says why, `status` is 0 when no answer came. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function reasonIn(text, status) {
  try {
    const answer = JSON.parse(text);
    return answer.message ?? answer.error ?? text;
  } catch {
    return text || `status ${status}`;
  }
}

async function ask(method, path, json, seconds = 30) {
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers: json === undefined ? {} : { "Content-Type": "application/json" },
      body: json === undefined ? undefined : JSON.stringify(json),
      cache: "no-store",
      signal: AbortSignal.timeout(seconds * 1000),
    });
    text = await response.text();
  } catch {
    throw new Refused(0, "the sandbox did not answer");
  }
  if (!response.ok) throw new Refused(response.status, String(reasonIn(text, response.status)).slice(0, 300));
  return text ? JSON.parse(text) : null;
}

const inConversation = (sid, what) => `/sandbox/conversations/${encodeURIComponent(sid)}/${what}`;

export const fetchState = () => ask("GET", "/sandbox/state", undefined, 10);
export const sendInbound = (from, channel, body) => ask("POST", "/sandbox/inbound", { from, channel, body });
export const call = (from, to) => ask("POST", "/sandbox/calls", { from, to });
export const goOn = (sid, act) => ask("POST", `/sandbox/calls/${encodeURIComponent(sid)}`, act);
export const setWorker = (identity, available) => ask("POST", "/sandbox/workers", { identity, available });
export const answer = (sid, author, body) => ask("POST", inConversation(sid, "messages"), { author, body });
export const join = (sid, identity) => ask("POST", inConversation(sid, "join"), { identity });
export const leave = (sid, identity) => ask("POST", inConversation(sid, "leave"), { identity });
export const close = (sid) => ask("POST", inConversation(sid, "close"), {});
export const setFaults = (faults) => ask("PUT", "/sandbox/faults", faults);
export const reset = () => ask("POST", "/sandbox/reset", {});
