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
  return [...task, words.at(-1) ?? part.querySelector("h2").textContent].join(": ");
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
  return element("div", { class: "controls" }, "The study's LaTeX files: ", ...buttons);
}
