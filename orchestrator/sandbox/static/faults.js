// The fault switches. The form shows what the sandbox has in force; a control that is changed is applied at once.

import * as api from "./api.js";
import { byId, setText } from "./dom.js";

/** `attempt(what, call)` runs an API call and tells of a failure. Returns `render({state})`. */
export function faultsPart(attempt) {
  const form = byId("faults-form");
  let inForce = {};
  let editing = false;
  const apply = (faults) => attempt("The faults were not changed", () => api.setFaults(faults));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    editing = true;
    showRates(form);
  });
  form.addEventListener("focusout", () => (editing = false));
  form.addEventListener("change", () => {
    editing = false;
    if (form.reportValidity()) apply(read(form, inForce));
  });
  byId("clear-faults").addEventListener("click", () => apply({}));
  return ({ state }) => {
    inForce = state.faults ?? {};
    // Whoever is in the middle of a number or a slider is not interrupted.
    if (!editing) write(form, inForce);
    showCount(active(inForce));
  };
}

function showCount(count) {
  setText(byId("faults-count"), count ? `${count} on` : "none");
  byId("faults-count").classList.toggle("warn", count > 0);
  byId("faults-on").hidden = count === 0;
}

const controls = (form) => [...form.elements].filter((control) => control.name);

/** What the form asks for, beside errors of other statuses in force. A control at nought is no fault and is left out. */
function read(form, inForce) {
  const value = (name) => Number(form.elements[name].value || 0);
  const faults = {};
  for (const { name } of controls(form)) if (!name.includes(".") && value(name)) faults[name] = value(name);
  if (form.elements.seed.value !== "") faults.seed = value("seed");
  const errors = { ...inForce.errors, 429: value("errors.429"), 500: value("errors.500") };
  faults.errors = Object.fromEntries(Object.entries(errors).filter(([, rate]) => rate));
  for (const name of ["commit_delay_ms", "webhook_delay_ms"]) {
    const [from, to] = [value(`${name}.0`), value(`${name}.1`)];
    if (from || to) faults[name] = [from, Math.max(from, to)];
  }
  return faults;
}

function write(form, faults) {
  for (const control of controls(form)) {
    const [name, part] = control.name.split(".");
    const value = part === undefined ? faults[name] : faults[name]?.[part];
    control.value = value ?? (control.type === "range" ? 0 : "");
  }
  showRates(form);
}

function showRates(form) {
  for (const control of controls(form).filter((one) => one.type === "range")) {
    setText(control.nextElementSibling, `${Math.round(control.value * 100)} %`);
  }
}

function active(faults) {
  const on = (value) => (value && typeof value === "object" ? Object.values(value).some(Boolean) : Boolean(value));
  return Object.entries(faults).filter(([name, value]) => name !== "seed" && on(value)).length;
}
