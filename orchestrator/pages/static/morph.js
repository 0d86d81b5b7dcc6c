// Make an element like another without replacing what is the same: focus, scrolling and typing survive.
//
// Children are matched by id or data-key, others by their order and kind. An element with data-keep stays as it is,
// children and all: it belongs to the script (a dialog, a text being written).

const keyOf = (node) => node.nodeType === 1 && (node.id || node.dataset.key) || null;
const isAlike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && !keyOf(one);

function attributes(from, to) {
  for (const { name } of [...from.attributes]) {
    const isOurs = name === "open" || (name === "hidden" && "mayFail" in from.dataset);
    if (!to.hasAttribute(name) && !isOurs) from.removeAttribute(name);
  }
  for (const { name, value } of [...to.attributes]) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
}

export function morph(from, to) {
  if (from.nodeType !== 1) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  if ("keep" in from.dataset) return;
  attributes(from, to);
  children(from, to);
}

function children(from, to) {
  const keyed = new Map();
  for (const child of from.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let here = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = keyOf(wanted);
    let found = key ? keyed.get(key) : here;
    while (!key && found && !isAlike(found, wanted)) found = found.nextSibling;
    if (found && found.nodeName === wanted.nodeName) {
      if (found === here) here = here.nextSibling;
      else from.insertBefore(found, here);
      keyed.delete(key);
      morph(found, wanted);
    } else {
      from.insertBefore(document.importNode(wanted, true), here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}
