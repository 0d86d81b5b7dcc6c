// What is typed for a gap of a template is shown in its text at once.
document.addEventListener("input", (event) => {
  const form = event.target.closest("details.template form");
  for (const gap of form?.querySelectorAll(".gap") ?? []) {
    if (gap.dataset.gap === event.target.name) gap.textContent = event.target.value || gap.dataset.sample;
  }
});
