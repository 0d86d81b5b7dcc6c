// Text from outside enters the document here, and only ever as text.

export const byId = (id) => document.getElementById(id);

/** A fresh copy of `<template id="t-NAME">`. */
export const stamp = (name) => byId(`t-${name}`).content.firstElementChild.cloneNode(true);

/** The part of a stamped element that is marked `data-slot="NAME"`. */
export const slot = (node, name) => node.querySelector(`[data-slot="${name}"]`);

/** Writes only what changed, so that a screen reader is not told the same thing twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows `text` in `node`, or hides the node when there is none. */
export function showText(node, text) {
  node.hidden = !text;
  setText(node, text);
}

/**
 * Makes the children of `parent` be `items`, in order. An element lives as long as its key, so focus, a draft and the
 * scroll position survive; `update(element, item)` runs for every item.
 */
export function reconcile(parent, items, keyOf, create, update) {
  const wanted = new Set(items.map(keyOf));
  for (const node of [...parent.children]) if (!wanted.has(node.dataset.key)) node.remove();
  const present = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let cursor = parent.firstElementChild;
  for (const item of items) {
    const node = present.get(keyOf(item)) ?? create(item);
    node.dataset.key = keyOf(item);
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
    update(node, item);
  }
}

/** Runs `change`, and keeps `box` at its end if it was there: whoever scrolled up to read is left alone. */
export function stayAtEnd(box, change) {
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 48;
  change();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

/** Enter sends, Shift+Enter is a new line; `onSend` gets the text, trimmed and never empty. */
export function composer(form, onSend) {
  const text = form.querySelector("textarea");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (text.value.trim()) onSend(text.value.trim());
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  return text;
}
