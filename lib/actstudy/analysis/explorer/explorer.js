// The page: parts, filters, and what the address says.

const EVERY_TASK = "*"; // no task's name

const page = {
  model: null,
  tables: {},
  views: [],

  get part() {
    const names = this.model.parts.map((part) => part.name);
    return names.includes(state.get("part")) ? state.get("part") : names[0];
  },

  get shown() {
    return this.model.parts.find((part) => part.name === this.part);
  },

  /** The reader's task, else the first that the part has a figure of. */
  get task() {
    const names = Object.keys(this.model.tasks);
    if (names.includes(state.get("task"))) return state.get("task");
    return this.shown.figures[0]?.task ?? names[0];
  },

  /** Whether a part's tables have the rows of all tasks: they always do, or the reader wants it. */
  get isEveryTask() {
    return this.shown.every_task || (this.shown.name === "tables" && state.get("task") === EVERY_TASK);
  },

  /** Whether a part has figures or tables with levels, whose rows a filter hides. */
  get isFiltered() {
    const { figures, tables } = this.shown;
    return figures.length > 0 || tables.some((name) => this.tables[name].columns.level);
  },

  /** The names of crossed axes and their places, in the task's groups of cells. */
  axes() {
    const { groups } = this.tables;
    if (!groups || this.isEveryTask) return {};
    const rows = groups.where([groups.equals("task", this.task)]);
    const axes = {};
    for (const axis of groups.names) {
      if (axis === "task" || axis === "group") continue;
      const places = new Set(rows.map((row) => groups.value(axis, row)).filter((place) => place !== null).map(String));
      if (places.size > 1) axes[axis] = [...places];
    }
    return axes;
  },

  /** The levels and the groups of cells that the filter leaves. */
  left() {
    const hidden = new Set(state.all("hide"));
    const levels = new Set(this.model.levels.map((level) => level.name).filter((name) => !hidden.has(name)));
    const { groups } = this.tables;
    const wanted = Object.keys(this.axes()).filter((axis) => state.get(`at.${axis}`));
    if (!groups || !wanted.length) return { levels, groups: null };
    const tests = wanted.map((axis) => (row) => String(groups.value(axis, row)) === state.get(`at.${axis}`));
    const rows = groups.where([groups.equals("task", this.task), ...tests]);
    return { levels, groups: new Set(rows.map((row) => groups.value("group", row))) };
  },

  /** What a table's rows must pass: task, levels, groups of cells. */
  tests(table) {
    const { levels, groups } = this.left();
    const known = new Set(this.model.levels.map((level) => level.name));
    const column = table.columns.level;
    const tests = table.columns.task && !this.isEveryTask ? [table.equals("task", this.task)] : [];
    if (levels.size < known.size && column && !Array.isArray(column)) {
      const passes = column.names.map((name) => levels.has(name) || !known.has(name));
      tests.push((row) => column.codes[row] < 0 || passes[column.codes[row]]);
    }
    if (groups) tests.push(table.isIn("group", groups));
    return tests;
  },

  /** The run whose line is marked in figures: that of the open panel, else the last one opened. */
  get marked() {
    return state.get("run") || state.get("line");
  },

  /** Mark a run, or none, and draw the figures of the part that show it. */
  mark(id) {
    const before = this.marked;
    state.set("line", id);
    if (before !== id) for (const view of this.views) if (view.ofMarked.length) view.draw();
  },

  start() {
    document.getElementById("needs").remove();
    openTexts();
    new Paper(this.model);
    onWidth(() => { for (const view of this.views) view.draw(); });
    window.addEventListener("hashchange", () => { state.read(); this.show(); });
    DARK.addEventListener("change", () => this.show());
    this.show();
  },

  show() {
    this.showParts();
    this.showFilter();
    this.showPart();
    const cell = state.get("cell");
    if (state.get("run")) showRun(this.tables, state.get("run"));
    else if (cell) showCell(this.tables, cellOf(cell));
  },

  showParts() {
    document.getElementById("parts").replaceChildren(...this.model.parts.map((part) => button(
      part.title,
      () => { state.set("part", part.name); this.show(); document.querySelector(`#parts [aria-current]`).focus(); },
      { "aria-current": part.name === this.part && "page" },
    )));
    const list = document.getElementById("parts");
    const present = list.querySelector("[aria-current]");
    list.scrollLeft = present.offsetLeft - (list.clientWidth - present.offsetWidth) / 2; // narrow windows
  },

  showFilter() {
    const form = document.getElementById("filter");
    form.onsubmit = (event) => event.preventDefault();
    const change = (name) => (value) => { state.set(name, value); this.show(); };
    const parts = [];
    const tasks = Object.entries(this.model.tasks);
    const every = this.shown.name === "tables" ? [[EVERY_TASK, "all tasks"]] : [];
    const task = this.isEveryTask ? EVERY_TASK : this.task;
    if (tasks.length > 1 && !this.shown.every_task) parts.push(select("Task", [...tasks, ...every], task, change("task")));
    for (const [axis, places] of Object.entries(this.isFiltered ? this.axes() : {})) {
      parts.push(select(axis, [["", "all"], ...places.map((place) => [place, place])], state.get(`at.${axis}`), change(`at.${axis}`)));
    }
    const hidden = new Set(state.all("hide"));
    const boxes = this.model.levels.map((level, place) => {
      const box = element("input", { type: "checkbox", checked: !hidden.has(level.name), onchange: () => {
        if (box.checked) hidden.delete(level.name); else hidden.add(level.name);
        state.set("hide", [...hidden]);
        this.show();
        form.querySelectorAll("fieldset input")[place].focus();
      } });
      const mark = element("span", { class: "swatch", "aria-hidden": "true" });
      mark.style.background = DARK.matches ? level.dark : level.light;
      return element("label", {}, box, mark, level.name);
    });
    if (this.isFiltered) parts.push(element("fieldset", {}, element("legend", {}, this.model.compare), ...boxes));
    const isOn = this.isFiltered && (hidden.size > 0 || Object.keys(this.axes()).some((axis) => state.get(`at.${axis}`)));
    if (isOn) parts.push(button("Show all", () => { state.set("hide", ""); for (const axis of Object.keys(this.axes())) state.set(`at.${axis}`, ""); this.show(); }));
    form.replaceChildren(...parts);
    const part = this.shown;
    const text = document.querySelector(`#part-${part.name} [data-task]`);
    form.hidden = !this.isFiltered && !(part.tables.length || text) || !parts.length;
    const hasText = document.querySelector(`#part-${part.name} .text`);
    const stale = document.getElementById("stale");
    stale.hidden = !isOn || form.hidden;
    stale.textContent = isOn ? "Rows are hidden, numbers are not computed again: means, intervals, n and verdicts are those of the whole study, and verdicts are corrected for all its comparisons, hidden ones too." + (hasText ? " The texts and their tables hide nothing." : "") : "";
  },

  showPart() {
    for (const view of this.views) view.view?.finalize();
    this.views = [];
    for (const { name } of this.model.parts) document.getElementById(`part-${name}`).hidden = name !== this.part;
    const part = this.shown;
    const section = document.getElementById(`part-${part.name}`);
    for (const text of section.querySelectorAll("[data-task]")) text.hidden = text.dataset.task !== this.task;
    const own = part.figures.filter((figure) => figure.task === this.task);
    const figures = own.map((figure) => new FigureView(figure, this));
    const none = part.figures.length && !own.length ? [element("p", {}, `Task ${this.task} has no data for this figure.`)] : [];
    const files = part.name === "results" && this.model.latex[this.task];
    const decision = part.name === "decision" ? [new DecisionView(this.model.decision, this).node] : [];
    const latex = files ? [latexButtons(files)] : [];
    section.querySelector(".figures").replaceChildren(...none, ...decision, ...latex, ...figures.map((view) => view.node));
    this.showTables(part, section.querySelector(".tables"));
    this.views = figures;
    for (const view of figures) view.draw();
  },

  /** The tables of a part: one that the reader chooses, if there are several. */
  showTables(part, place) {
    if (!part.tables.length) return;
    const chosen = part.tables.includes(state.get(`${part.name}.table`)) ? state.get(`${part.name}.table`) : part.tables[0];
    const view = new TableView(this.tables[chosen], this);
    const choose = select("Table", part.tables.map((name) => [name, `${name} (${this.tables[name].n})`]), chosen, (name) => { state.set(`${part.name}.table`, name); this.showTables(part, place); });
    place.replaceChildren(...(part.tables.length > 1 ? [element("div", { class: "controls" }, choose)] : []), view.node);
    view.fill();
  },
};

if (typeof DecompressionStream !== "undefined") {
  openData().then((model) => {
    page.model = model;
    for (const [name, content] of Object.entries(model.tables)) page.tables[name] = new Table(name, content);
    page.start();
  });
}
