// A link with data-sheet opens its page as a dialog over this one. Where that does not work, the link is a link.
import { toast } from "../toast.js";

const sheet = document.createElement("dialog");
sheet.className = "dialog";
sheet.id = "sheet";
sheet.setAttribute("aria-labelledby", "sheet-title");
document.body.append(sheet);

export const closeSheet = () => sheet.close();

async function open(href) {
  const answer = await fetch(href, { headers: { "X-Fragment": "sheet" }, cache: "no-store", redirect: "manual" });
  const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const content = page && page.getElementById("sheet-content");
  if (!content) {
    location.href = href;
    return;
  }
  sheet.replaceChildren(document.importNode(content, true));
  sheet.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-sheet]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  open(link.href).catch(() => toast("No connection. Try again in a moment."));
});

// A form is sent once, however often it is pressed; its token would see to the rest.
sheet.addEventListener("submit", (event) => {
  const button = event.target.querySelector("button:not([type=button])");
  if (button?.getAttribute("aria-disabled") === "true") event.preventDefault();
  button?.setAttribute("aria-disabled", "true");
});
