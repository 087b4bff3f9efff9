// Rows as CSV or LaTeX, and texts into the clipboard.

/** A value as it is shown: numbers with six digits at most, nothing for a missing or infinite one. */
function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return "";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
}

/** Whether there is no value, or none that a reader can use: an empty cell in all tables. */
function isNone(value) {
  return value === null || value === undefined || Math.abs(value) === Infinity || Number.isNaN(value);
}

const NUMBERS = /^[-+]\d[\d.,]*( to [-+]?\d[\d.,]*)?( [A-Za-z% ]+)?$/; // as texts: -4.65 to -1.35

/** CSV of rows; a text that a spreadsheet would compute is quoted. */
function toCsv(names, rows) {
  const cell = (value) => {
    let text = isNone(value) ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r\uFF1D]/.test(text) && !NUMBERS.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

const LABEL_WORDS = 8;
const IN_LATEX = {
  "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#",
  "%": "\\%", _: "\\_", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}",
  "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", '"': "{''}",
};

/** A number's text with `digits` decimals, halves away from 0, as `scale.rounded` has it. */
function fixed(value, digits) {
  const size = Math.abs(value);
  if (size >= 1e12 || (size > 0 && size < 1e-6)) return value.toFixed(digits);
  const whole = Math.round(Number(`${Number(size.toPrecision(12))}e${digits}`));
  const text = Number(`${whole}e-${digits}`).toFixed(digits);
  return value < 0 ? `-${text}` : text;
}

/** A number with its decimals, else an integer whole and any other with four digits at least. */
function rounded(value, size = {}) {
  const { digits, signed } = size ?? {};
  let text = String(value);
  if (digits !== undefined && digits !== null) text = fixed(value, digits);
  else if (!Number.isInteger(value) && Math.abs(value) < 1e-4) text = value.toExponential(3);
  else if (!Number.isInteger(value)) text = value.toFixed(Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value)))));
  if (Number(text) === 0) text = text.replace("-", "");
  return signed && Number(text) > 0 ? `+${text}` : text;
}

function inLatex(value, size) {
  if (isNone(value)) return "";
  if (typeof value === "number") {
    const text = rounded(value, size).replace(/e([+-]\d+)$/, (_, power) => `\\cdot10^{${Number(power)}}`);
    return /[-+^]/.test(text) ? `$${text}$` : text;
  }
  const text = shown(value);
  const plain = text.replace(/[\\{}$&#%_^~<>|"]/g, (mark) => IN_LATEX[mark]).replace(/\s+/g, " ");
  return NUMBERS.test(text) ? plain.replace(/[-+]\d[\d.,]*/g, "$$$&$$") : plain;
}

const AS_NUMBER = /^[-+\u2212]?\d[\d.,]*%?( \([-+\u2212\d., to]+\)| of \d+)?$/; // 7.5, 7.5 (1.2), 8 of 8

/** Whether a column has numbers, or texts of numbers alone. */
function isOfNumbers(values) {
  const there = values.filter((value) => !isNone(value) && value !== "");
  return there.length > 0 && there.every((value) => typeof value === "number" || AS_NUMBER.test(value));
}

/** A name for \ref, of the study and the first words of a caption. */
function labelOf(caption) {
  const words = `${page.model.study} ${caption}`.toLowerCase().split(/[^a-z0-9]+/).filter(Boolean);
  return `tab:${words.slice(0, LABEL_WORDS).join("-")}`;
}

/** A table of the package booktabs with its caption; size: (row, column) -> decimals and sign. */
function toLatex(names, rows, caption, size) {
  const line = (cells, row) => `${cells.map((cell, i) => inLatex(cell, size?.(row, i))).join(" & ")} \\\\`;
  const isNumber = names.map((_, i) => rows.some((row) => typeof row[i] === "number") || isOfNumbers(rows.map((row) => row[i])));
  return [
    "\\begin{table} % \\usepackage{booktabs}", "\\centering", `\\caption{${inLatex(caption)}}`, `\\label{${labelOf(caption)}}`,
    `\\begin{tabular}{${isNumber.map((number) => (number ? "r" : "l")).join("")}}`,
    "\\toprule", line(names), "\\midrule", ...rows.map((row, i) => line(row, i)),
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
    const panel = document.getElementById("panel");
    panel.querySelectorAll("textarea").forEach((old) => old.remove());
    if (panel.open) source.after(area); // the run's panel stays
    else openPanel("Copy this text", [area]);
    area.select();
  }
}

/** The buttons that copy a table; read: () -> {names, rows, caption, size}. */
function copyButtons(read) {
  const as = (make) => (event) => {
    const { names, rows, caption, size } = read();
    copy(make(names, rows, caption, size), event.target);
  };
  return [button("Copy CSV", as(toCsv)), button("Copy LaTeX", as(toLatex))];
}
