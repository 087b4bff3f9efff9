// Rows as CSV or LaTeX, and texts into the clipboard.

/** A value as it is shown: numbers with six digits at most. */
function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return String(value);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
}

/** CSV of rows; a text that a spreadsheet would compute is quoted. */
function toCsv(names, rows) {
  const cell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r\uFF1D]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

const IN_LATEX = {
  "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#",
  "%": "\\%", _: "\\_", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}",
  "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", '"': "{''}",
};

function inLatex(value) {
  const text = typeof value === "number" ? shown(Number(value.toPrecision(4))) : shown(value);
  return text.replace(/[\\{}$&#%_^~<>|"]/g, (mark) => IN_LATEX[mark]).replace(/\s+/g, " ");
}

/** A table of the package booktabs with its caption. */
function toLatex(names, rows, caption) {
  const line = (cells) => `${cells.map(inLatex).join(" & ")} \\\\`;
  const isNumber = names.map((_, i) => rows.some((row) => typeof row[i] === "number"));
  return [
    "\\begin{table}", `\\caption{${inLatex(caption)}}`,
    `\\begin{tabular}{${isNumber.map((number) => (number ? "r" : "l")).join("")}}`,
    "\\toprule", line(names), "\\midrule", ...rows.map(line),
    "\\bottomrule", "\\end{tabular}", "\\end{table}", "",
  ].join("\n");
}

/** Put a text into the clipboard, or show it to be copied by hand if the browser refuses. */
async function copy(text, source) {
  try {
    await navigator.clipboard.writeText(text);
    const label = source.textContent;
    source.textContent = "Copied";
    setTimeout(() => { source.textContent = label; }, 1500);
  } catch {
    const area = element("textarea", { readonly: true, rows: 14, "aria-label": "Text to copy" });
    area.value = text;
    openPanel("Copy this text", [area]);
    area.select();
  }
}

/** The buttons that copy a table; read: () -> {names, rows, caption}. */
function copyButtons(read) {
  const as = (make) => (event) => {
    const { names, rows, caption } = read();
    copy(make(names, rows, caption), event.target);
  };
  return [button("Copy CSV", as(toCsv)), button("Copy LaTeX", as(toLatex))];
}
