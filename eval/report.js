"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("script");

  const theme = document.getElementById("theme");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });

  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const order = (one, other) => {
    const numbers = [Number(one), Number(other)];
    if (one === "" || other === "") return one === other ? 0 : one === "" ? 1 : -1;
    return numbers.some(Number.isNaN) ? one.localeCompare(other) : numbers[0] - numbers[1];
  };
  for (const button of document.querySelectorAll(".sorts")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = head.closest("table").tBodies[0];
      const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
      rows.sort(([one], [other]) => (one === "" || other === "" || up ? order(one, other) : order(other, one)));
      body.append(...rows.map(([, row]) => row));
    });
  }

  const form = document.getElementById("filters");
  if (!form) return;
  const rows = [...document.querySelectorAll("#failures-table tbody tr")];
  const texts = rows.map((row) => row.textContent.replace(/\s+/g, " ").toLowerCase());
  const shown = document.getElementById("shown");
  const filter = () => {
    const { kind, skill, taken, words } = form.elements;
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, index) => {
      const fits = (!kind.value || row.dataset.kind === kind.value) && (!skill.value || row.dataset.skill === skill.value)
        && (!taken.value || row.dataset.taken === taken.value) && wanted.every((word) => texts[index].includes(word));
      row.hidden = !fits;
      count += fits;
    });
    shown.textContent = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
  };
  let waiting = 0;
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 80); });
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const link of document.querySelectorAll("a[data-skill]")) {
    link.addEventListener("click", () => {
      form.reset();
      form.elements.skill.value = link.dataset.skill;
      form.elements.taken.value = link.dataset.taken ?? "";
      filter();
    });
  }
  filter();
})();
