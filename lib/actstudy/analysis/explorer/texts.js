// Tables of the page's texts: read as they stand, to be copied; and the study's own LaTeX files.

/** The cells of a table of the page, as texts. */
function cellsOf(table) {
  const rows = [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
  return { names: rows[0], rows: rows.slice(1) };
}

/** What a table of a text is about: the task and the last heading before it, or its part. */
function captionOf(table, part) {
  const isBefore = (head) => head.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING;
  const heads = [...table.closest(".text").querySelectorAll("h3")].filter(isBefore);
  const words = heads.map((head) => head.textContent);
  const task = heads[0]?.classList.contains("of-task") ? [words.shift()] : [];
  const head = [...task, words.at(-1) ?? part.querySelector("h2").textContent].join(": ");
  return [`${head}.`, bracketsOf(table), underTable(table)].filter(Boolean).join(" ");
}

/** What the numbers in brackets of a table are, if its heads say that. */
function bracketsOf(table) {
  const heads = cellsOf(table).names.join(" ");
  return heads.includes("(sd)") ? "In brackets: standard deviation over seeds." : "";
}

/** Metric, unit, n, data and study of a table, which its place on the page says otherwise. */
function underTable(table) {
  const { under_tables: notes, study } = page.model;
  const tasks = Object.keys(notes);
  const task = table.closest("[data-task]")?.dataset.task ?? (tasks.length === 1 ? tasks[0] : "");
  return notes[task] ?? `Study: ${study}.`;
}

/** Buttons that copy each table of the texts, and the keyboard's way to those that are wide. */
function openTexts() {
  for (const part of document.querySelectorAll("main > section")) {
    for (const region of part.querySelectorAll(".text .wide")) {
      const table = region.querySelector("table");
      const read = () => ({ ...cellsOf(table), caption: captionOf(table, part) });
      region.after(element("div", { class: "controls small" }, ...copyButtons(read)));
      reachable(region);
    }
    for (const block of part.querySelectorAll(".text pre")) {
      for (const [name, value] of [["role", "group"], ["aria-label", "Text as it is written"]]) block.setAttribute(name, value);
      reachable(block);
    }
  }
}

/** Buttons that copy the study's LaTeX files of a task: means_TASK.tex and contrasts_TASK.tex. */
function latexButtons(files) {
  const buttons = Object.entries(files).map(([name, text]) => button(`Copy ${name}`, (event) => copy(text, event.target)));
  const words = element("p", { class: "count" }, "These are to be put under a caption of your own, with \\input and the package booktabs: intervals are of one comparison alone, p is adjusted for all of the task. Copy LaTeX below a table has a caption.");
  return element("div", {}, element("div", { class: "controls" }, "The study's LaTeX files: ", ...buttons), words);
}
