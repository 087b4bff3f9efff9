// The form on which to decide: answers of `choose`, computed by Python, are looked up.

const ANOTHER = "another"; // of a list of values: one that no cell has
const SWITCHES = new Set(["nesterov", "strict", "deterministic_shuffle"]); // flags without a value
const MAX_NEAREST = 3;
const MAX_OPEN = 4; // answers that are open at first
const MAX_ANSWERS_SHOWN = 100;
const MATTERS = [["speed", "training time"], ["accuracy", "the mean"], ["memory", "peak memory"]];

/** The text that cells have of a field's value: `0.010` is their `0.01`. */
function knownText(content, name, text) {
  const isNumber = (value) => value.trim() !== "" && Number.isFinite(Number(value));
  const same = (value) => value === text || (isNumber(value) && isNumber(text) && Number(value) === Number(text));
  return content.fields[name].find(same) ?? text;
}

/** What the reader asks: the address's words. */
function questionOf(content) {
  const fields = {};
  for (const name of Object.keys(content.fields)) {
    const text = state.values.get(`choose.f.${name}`);
    if (text !== null) fields[name] = knownText(content, name, text === "null" ? "" : text);
  }
  const budget = Number(state.get("choose.budget"));
  return {
    fields,
    task: content.tasks.includes(state.get("choose.task")) ? state.get("choose.task") : "",
    device: content.devices.includes(state.get("choose.device")) ? state.get("choose.device") : "",
    matters: MATTERS.some(([name]) => name === state.get("choose.matters")) ? state.get("choose.matters") : "speed",
    budget: content.has_budget && Number.isFinite(budget) && budget > 0 ? budget : null,
  };
}

/** What a cell has instead of what is asked: `depth=3`. */
function unlike(content, cell, question) {
  const words = [];
  for (const [name, value] of Object.entries(question.fields)) {
    const own = name in content.shared ? content.shared[name] : cell.fields[name];
    if (own !== value) words.push(`${name}=${own === undefined ? "several" : own || "null"}`);
  }
  const device = content.devices.indexOf(question.device);
  if (question.device && !cell.devices.includes(device)) words.push(`device=${cell.device_words}`);
  return words;
}

/** The answer of a cell within a budget; null if no activation is. */
function answerWithin(cell, budget) {
  if (budget === null) return cell.answers[0];
  const place = cell.limits.filter((seconds) => seconds <= budget).length;
  return place ? cell.answers[place] : null;
}

/** The answers that fit a question, each with its cell; without any the cells that differ least. */
function decide(content, question) {
  const ofTask = content.cells.filter((cell) => !question.task || cell.task === question.task);
  const answers = [];
  const others = [];
  for (const cell of ofTask) {
    const words = unlike(content, cell, question);
    const answer = words.length ? null : answerWithin(cell, question.budget);
    if (answer) answers.push({ cell, answer, order: answer.orders[question.matters] });
    else others.push({ n: words.length, text: `${cell.name}: ${words.join(", ") || cell.over_budget}` });
  }
  others.sort((a, b) => a.n - b.n);
  return { answers, nearest: answers.length ? [] : others.slice(0, MAX_NEAREST).map(({ text }) => text) };
}

/** A word of a command line, quoted if it must be. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\"'\"'")}'`;
}

/** The command that asks the same. */
function commandOf(content, { fields, task, device, matters, budget }) {
  const words = task ? ["--task", task] : [];
  for (const [name, text] of Object.entries(fields)) {
    if (SWITCHES.has(name)) words.push(text === "True" ? `--${name}` : `--no-${name}`);
    else words.push(`--${name}`, quoted(text || "null"));
  }
  if (device) words.push("--device", quoted(device));
  if (budget !== null) words.push("--budget", String(budget));
  if (matters !== "speed") words.push("--matters", matters);
  return [content.command, ...words].join(" ");
}

/** A question in words: `mlp, depth=7`. */
function inWords({ fields, task, device, budget }) {
  const words = [task || "any task", ...Object.entries(fields).map(([name, text]) => `${name}=${text || "null"}`)];
  if (device) words.push(`device=${device}`);
  if (budget !== null) words.push(`at most ${budget} s of training`);
  return words.join(", ");
}

class DecisionView {
  constructor(content, page) {
    this.content = content;
    this.page = page;
    this.answers = element("div", { class: "answers" });
    this.node = element("div", { class: "decision" }, this.form(), this.answers);
    this.fill();
  }

  set(name, value) {
    state.set(`choose.${name}`, value);
    this.fill();
  }

  form() {
    const { content } = this;
    const names = Object.keys(content.fields);
    const form = element("form", { class: "asked", "aria-label": "What is asked", onsubmit: (event) => event.preventDefault() });
    const list = (label, name, options, otherwise = "") => select(label, options, state.get(`choose.${name}`) || otherwise, (value) => this.set(name, value === otherwise ? "" : value));
    const any = (texts) => [["", "any"], ...texts.map((text) => [text, text])];
    const varied = names.filter((name) => content.tasks.some((task) => {
      const own = content.cells.filter((cell) => cell.task === task).map((cell) => cell.fields[name]);
      return new Set(own).size > 1;
    }));
    const fixed = names.filter((name) => !varied.includes(name));
    form.append(list("Task", "task", any(content.tasks)), ...varied.map((name) => this.field(name)), list("Device", "device", any(content.devices)), list("Order by", "matters", MATTERS, "speed"));
    if (content.has_budget) form.append(element("label", {}, "Seconds per run, at most ", element("input", { type: "number", min: "0", step: "any", value: state.get("choose.budget"), oninput: (event) => this.set("budget", event.target.value) })));
    const isAsked = fixed.some((name) => state.values.get(`choose.f.${name}`) !== null);
    form.append(element("details", { open: isAsked }, element("summary", {}, `${fixed.length} more settings, in which no cells of one task differ`), element("div", { class: "asked" }, ...fixed.map((name) => this.field(name)))));
    return form;
  }

  /** The list of a field's values, and a place for one that no cell has. */
  field(name) {
    const key = `f.${name}`;
    const asked = state.values.get(`choose.${key}`);
    const texts = this.content.fields[name].map((text) => text || "null");
    const isAnother = asked !== null && !texts.includes(asked);
    const input = element("input", { type: "text", value: isAnother ? asked : "", hidden: !isAnother, "aria-label": `another ${name}`, oninput: () => this.set(key, input.value.trim()) });
    const options = [["", "any"], ...texts.map((text) => [text, text]), [`\n${ANOTHER}`, "another \u2026"]];
    const chosen = isAnother ? `\n${ANOTHER}` : asked ?? "";
    const label = select(name, options, chosen, (value) => {
      input.hidden = value !== `\n${ANOTHER}`;
      this.set(key, input.hidden ? value : input.value.trim());
      if (!input.hidden) input.focus();
    });
    label.append(" ", input);
    return label;
  }

  fill() {
    const question = questionOf(this.content);
    const { answers, nearest } = decide(this.content, question);
    const command = commandOf(this.content, question);
    const asked = element("p", { class: "command" }, element("code", {}, command), " ", button("Copy command", (event) => copy(command, event.target)));
    if (!answers.length) {
      this.answers.replaceChildren(
        element("p", { class: "verdict", role: "status" }, `No data: no measured cell compares activations in ${inWords(question)}.`),
        element("h3", {}, "Nearest, no answer"), element("ul", {}, ...nearest.map((text) => element("li", {}, text))),
        element("h3", {}, "What is missing"), element("p", {}, "This command prints the study that would answer:"), asked,
      );
      return;
    }
    const sections = answers.slice(0, MAX_ANSWERS_SHOWN).map((found) => this.section(found, answers.length));
    const n = answers.length === 1 ? "1 cell answers." : `${answers.length} cells answer, each by itself.`;
    const cut = answers.length > sections.length ? ` The first ${sections.length} are shown: ask for less.` : "";
    this.answers.replaceChildren(
      element("p", { role: "status", class: "count" }, n + cut),
      ...(answers.length > 1 ? [this.overview(answers, sections)] : []),
      ...sections,
      element("h3", {}, "The same question in a shell"), asked,
    );
  }

  /** A row per cell that answers. */
  overview(answers, sections) {
    const names = Object.keys(answers[0].order.line);
    const rows = answers.slice(0, sections.length).map(({ order }, i) => element("tr", {}, ...names.map((name) => {
      const open = () => { sections[i].open = true; sections[i].scrollIntoView(); sections[i].querySelector("summary").focus(); };
      return element("td", {}, name === "cell" ? button(order.line[name], open, { class: "link" }) : order.line[name]);
    })));
    const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
    const copied = () => ({ names, rows: answers.map(({ order }) => names.map((name) => order.line[name])), caption: "The set of each cell" });
    return element("section", { "aria-label": "All answers" },
      reachable(element("div", { class: "scroll", role: "group", "aria-label": "Sets of all cells" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)))),
      element("div", { class: "controls" }, ...copyButtons(copied)));
  }

  /** One answer: the set, what it rests on, what is missing. */
  section({ cell, answer, order }, n) {
    const inside = order.levels.filter((level) => level in answer.table);
    const names = ["activation", ...answer.heads];
    const rows = inside.map((level) => [level, ...answer.table[level]]);
    const body = rows.map((texts) => element("tr", {}, ...texts.map((text, i) => element("td", { class: i ? "short" : null }, i ? text : this.level(cell, text)))));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)))), element("tbody", {}, ...body));
    const caption = `${cell.name}: ${order.words.join(" ")}`;
    const sharpen = inside.filter((level) => level in answer.sharpen).map((level) => this.sharpened(level, answer));
    const doubts = order.doubts.map((text) => element("li", {}, text));
    const missing = [...doubts, ...sharpen];
    return element("details", { class: "answer", open: n <= MAX_OPEN },
      element("summary", {}, cell.name),
      element("h3", { class: "minor" }, "Answer"), element("p", { class: "verdict" }, order.line["in the set"]), ...order.words.map((text) => element("p", {}, text)), ...this.verdicts(cell),
      element("h3", { class: "minor" }, `Evidence, n = ${order.line.seeds} seeds`), element("p", {}, cell.where),
      reachable(element("div", { class: "scroll", role: "group", "aria-label": `Evidence of ${cell.name}` }, table)), ...order.out.map((text) => element("p", {}, text)),
      element("div", { class: "controls" }, ...copyButtons(() => ({ names, rows, caption }))),
      element("h3", { class: "minor" }, "What is missing"), missing.length ? element("ul", {}, ...missing) : element("p", {}, "Nothing, for the margin of the task."),
    );
  }

  /** The way to the verdicts against the baseline, if the page has them for the cell's task. */
  verdicts(cell) {
    const forest = this.page.model.parts.find((part) => part.name === "forest");
    if (!forest?.figures.some((figure) => figure.task === cell.task)) return [];
    const open = () => { state.set("part", "forest"); state.set("task", cell.task); this.page.show(); scrollTo(0, 0); };
    return [element("p", {}, button("The verdicts against the baseline: Differences", open, { class: "link" }))];
  }

  /** What would separate an activation from the best, and the command that does. */
  sharpened(level, { sharpen, commands }) {
    const command = commands[level];
    if (!command) return element("li", {}, `${level}: ${sharpen[level]}`);
    const words = sharpen[level].replace(`: ${command}`, "");
    return element("li", {}, `${level}: ${words}: `, element("code", {}, command), " ", button("Copy", (event) => copy(command, event.target)));
  }

  /** An activation as a link to its runs, if the page has them. */
  level(cell, level) {
    const open = lead(this.page.tables, { level, task: cell.task, group: cell.group });
    return open ? button(level, open, { class: "link", title: "Its runs" }) : level;
  }
}
