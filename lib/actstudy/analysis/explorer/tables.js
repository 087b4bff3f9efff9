// Tables that a reader sorts, searches and copies; their state is in the address too.

const PAGE_ROWS = 100;
const MAX_FIRST_COLUMNS = 12;
const SIGNED = new Set(["mean", "low", "high", "mean_all", "difference"]); // of tables of differences
const OF_DIFFERENCES = new Set([...SIGNED, "sd", "test_se", "margin"]);
const OF_METRIC = new Set(["mean", "sd", "min", "max", "iqm", "iqm_low", "iqm_high", "val", "test", "value"]);
const SHORT = 30; // characters that stand on one line

class TableView {
  constructor(table, page) {
    this.table = table;
    this.page = page;
    this.limit = PAGE_ROWS;
    this.status = element("p", { role: "status", class: "count" });
    this.body = element("tbody");
    this.head = element("thead");
    this.more = button("Show more rows", () => { this.limit *= 4; this.fill(); });
    const search = element("input", { type: "search", value: this.get("q"), oninput: (event) => { this.set("q", event.target.value); this.limit = PAGE_ROWS; this.fill(); } });
    this.node = element("section", { class: "table", "aria-label": `Table ${table.name}` },
      element("h3", {}, table.name),
      ...(page.model.notes[table.name] ? [element("p", { class: "count" }, page.model.notes[table.name])] : []),
      element("div", { class: "controls" }, element("label", {}, "Search ", search), this.chooser(), ...copyButtons(() => this.copied())),
      this.status,
      reachable(element("div", { class: "scroll", role: "group", "aria-label": `Rows of ${table.name}` }, element("table", {}, this.head, this.body))),
      this.more,
    );
  }

  get(name) {
    return state.get(`${this.table.name}.${name}`);
  }

  set(name, value) {
    state.set(`${this.table.name}.${name}`, value);
  }

  /** The columns that are open: the reader's, else those named by Python or the first that vary. */
  get columns() {
    const chosen = state.all(`${this.table.name}.col`).filter((name) => this.table.names.includes(name));
    if (chosen.length) return chosen;
    const named = (this.page.model.first_columns[this.table.name] ?? this.table.names.slice(0, MAX_FIRST_COLUMNS));
    return named.filter((name) => this.table.names.includes(name) && !this.isEmpty(name) && !(name === "unit" && this.hasOneUnit));
  }

  /** Whether the heads of differences name the unit of all rows, so that no column need do so. */
  get hasOneUnit() {
    const rows = this.table.where(this.page.tests(this.table));
    return this.table.names.includes("mean") && new Set(rows.map((row) => this.table.value("unit", row))).size === 1;
  }

  isEmpty(name) {
    const rows = this.table.where(this.page.tests(this.table));
    return rows.length > 0 && !rows.some((row) => isSaid(this.table.value(name, row)));
  }

  /** The list of columns, as boxes to tick. */
  chooser() {
    const boxes = element("div", { class: "boxes" });
    const fill = () => boxes.replaceChildren(...this.table.names.map((name) => {
      const box = element("input", { type: "checkbox", checked: this.columns.includes(name), onchange: () => {
        const open = new Set(this.columns);
        if (box.checked) open.add(name); else open.delete(name);
        this.set("col", this.table.names.filter((column) => open.has(column)));
        this.fill();
      } });
      return element("label", { title: name, hidden: !name.toLowerCase().includes(wanted.value.toLowerCase()) }, box, ` ${name}`);
    }));
    const wanted = element("input", { type: "search", oninput: fill });
    const list = element("div", { class: "list" }, element("label", {}, "Search columns ", wanted), boxes);
    return element("details", { class: "columns", ontoggle: (event) => event.target.open && fill() }, element("summary", {}, "Columns"), list);
  }

  /** The rows that filters and search leave, in the order of the reader. */
  rows() {
    const words = this.get("q").toLowerCase().split(/\s+/).filter(Boolean);
    const rows = this.table.where(this.page.tests(this.table));
    const fitting = words.length ? rows.filter((row) => { const text = this.text(row); return words.every((word) => text.includes(word)); }) : rows;
    const [name, direction] = this.sorting();
    if (!name) return fitting;
    const sign = direction === "descending" ? -1 : 1;
    const keys = new Map(fitting.map((row) => [row, this.table.value(name, row)]));
    const isMissing = (value) => value === null || Number.isNaN(value);
    return fitting.sort((a, b) => {
      const [one, other] = [keys.get(a), keys.get(b)];
      if (isMissing(one) || isMissing(other)) return isMissing(one) - isMissing(other);
      return one === other ? a - b : (one < other ? -sign : sign);
    });
  }

  /** All words of a row in lower case, kept once made. */
  text(row) {
    this.texts ??= [];
    this.texts[row] ??= this.table.names.map((name) => shown(this.table.value(name, row))).join(" ").toLowerCase();
    return this.texts[row];
  }

  sorting() {
    const [name, direction] = [this.get("sort"), this.get("order") || "ascending"];
    return this.table.names.includes(name) ? [name, direction] : [null, null];
  }

  sort(name) {
    const [present, direction] = this.sorting();
    this.set("sort", name);
    this.set("order", present === name && direction === "ascending" ? "descending" : "");
    this.fill();
    this.head.querySelector("[aria-sort] button")?.focus();
  }

  fill() {
    const { table, columns } = this;
    const rows = this.rows();
    const [name, direction] = this.sorting();
    this.head.replaceChildren(element("tr", {}, ...columns.map((column) => {
      const unit = this.unit(column, rows);
      const mark = column === name ? (direction === "ascending" ? " \u25B2" : " \u25BC") : "";
      return element("th", { scope: "col", "aria-sort": column === name && direction, class: table.isNumeric(column) ? "number" : null },
        button(withUnit(column, OF_DIFFERENCES.has(column) && unit) + mark, () => this.sort(column), { title: unit ? `${column}, ${unit}` : `Sort by ${column}` }));
    })));
    this.body.replaceChildren(...rows.slice(0, this.limit).map((row) => this.line(row, columns)));
    this.more.hidden = rows.length <= this.limit;
    this.status.textContent = `${Math.min(rows.length, this.limit)} of ${rows.length} rows shown` + (rows.length < table.n ? `; ${table.n - rows.length} more are of other tasks, or hidden by filter or search` : "");
  }

  line(row, columns) {
    const { table, page } = this;
    return element("tr", {}, ...columns.map((name, place) => {
      const value = table.value(name, row);
      if (name === "run_id" && page.tables.runs) return element("td", { class: "short" }, value ? runLink(page.tables, value) : "");
      const size = table.isNumeric(name) ? "number" : String(value ?? "").length <= SHORT ? "short" : null;
      const cell = element("td", { class: size });
      const open = name === "level" || (place === 0 && !columns.includes("level")) ? lead(page.tables, table.row(row)) : null;
      if (open && name === "level") cell.append(button(shown(value), open, { class: "link", title: "Its runs" }));
      else if (name === "rerun") cell.append(element("code", {}, value), " ", button("Copy", (event) => copy(value, event.target)));
      else cell.append(shown(value));
      return cell;
    }));
  }

  /** The unit of a column; of differences that of their rows, if it is one. */
  unit(column, rows) {
    if (!OF_DIFFERENCES.has(column) || !this.table.columns.unit) return this.page.model.units[column];
    const units = new Set(rows.map((row) => this.table.value("unit", row)));
    return units.size === 1 ? [...units][0] : null;
  }

  /** The decimals of a number in a LaTeX table, as the study's own .tex files have them. */
  size(column, row) {
    const { table, page } = this;
    const { digits, difference_digits } = page.model;
    if (OF_DIFFERENCES.has(column) && table.columns.unit) return { digits: difference_digits[table.value("task", row)], signed: SIGNED.has(column) };
    const metric = OF_METRIC.has(column) ? table.value("metric", row) : column.replace(/^(reported|last)_/, "");
    return { digits: digits[metric] };
  }

  copied() {
    const { columns } = this;
    const places = this.rows();
    return {
      names: columns.map((name) => withUnit(name, this.unit(name, places))),
      rows: places.map((row) => columns.map((name) => this.table.value(name, row))),
      caption: `Table ${this.table.name} of study ${this.page.model.study}`,
      size: (row, column) => (row === undefined ? null : this.size(columns[column], places[row])),
    };
  }
}
