// Figures: Vega-Lite specifications written by Python, with the rows that the filters leave.

const PAPER = "#FFFFFE"; // in specifications, for the colour of the page
const PALE = 0.3; // of the opacity of what is not marked
const MAX_SVG_ROWS = 6000; // of more rows the browser paints pixels
const MAX_DATA_ROWS = 200; // below a figure

const NARROW = 620; // pixels, below which a legend stands under its chart
const BESIDE = 130; // pixels of a legend that stands beside it
const OF_LETTER = 7; // pixels, in a legend that stands under it
const OF_SYMBOL = 45; // pixels of a legend's symbol with its distances
const OF_LABELS = 60; // pixels of the labels at the left of several panels
const OF_AXIS = 95; // pixels of an axis with its labels

/** Colours and fonts of all figures; width: of the chart, in pixels; longest: name of a legend. */
function look(width, longest) {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim();
  const pale = style.getPropertyValue("--line").trim();
  const font = style.getPropertyValue("--font").trim();
  return {
    background: null, font, padding: 4, view: { stroke: pale },
    axis: { labelColor: ink, titleColor: ink, tickColor: pale, domainColor: pale, gridColor: pale, gridOpacity: 0.6, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" },
    axisX: { labelOverlap: "parity", labelSeparation: 10 },
    legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontWeight: "normal", labelLimit: 320, ...legendPlace(width, longest) },
    header: { labelColor: ink, titleColor: ink, labelFontSize: 12 },
    text: { color: ink }, rule: { color: ink },
  };
}

/** A legend stands under a chart that is narrow. */
function legendPlace(width, longest) {
  if (width >= NARROW) return { orient: "right" };
  const columns = Math.max(1, Math.floor((width - OF_AXIS / 2) / (OF_LETTER * longest.length + OF_SYMBOL)));
  const layout = { bottom: { direction: "vertical", anchor: "start" } }; // one legend below the other
  return { orient: "bottom", columns, layout, gradientLength: Math.min(200, width - OF_AXIS) };
}

/** The sizes of a chart that is not as wide as the page: a square, or panels beside each other. */
function sizesOf(figure, width) {
  const room = width - (width < NARROW ? 0 : BESIDE);
  if (figure.square) {
    const side = Math.max(120, Math.min(figure.square, room - OF_AXIS));
    return { width: side, height: side };
  }
  if (figure.panel_width) return { columns: Math.max(1, Math.min(figure.spec.columns, Math.floor((room - OF_LABELS) / figure.panel_width))) };
  return {};
}

/** A specification as the reader's choices change it: channels of encodings, colours of levels. */
function adapted(spec, options, model) {
  const paper = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
  const visit = (node) => {
    if (node === PAPER) return paper;
    if (Array.isArray(node)) return node.map(visit);
    if (node === null || typeof node !== "object") return node;
    const copied = Object.fromEntries(Object.entries(node).map(([name, value]) => [name, visit(value)]));
    if (DARK.matches && Array.isArray(copied.range)) copied.range = copied.range.map((colour) => model.dark[colour] ?? colour);
    for (const { encoding } of options) {
      for (const [channel, changes] of Object.entries(encoding)) {
        const own = copied.encoding?.[channel];
        if (own?.field) copied.encoding[channel] = { ...own, ...changes, ...(changes.scale && { scale: { ...own.scale, ...changes.scale } }) };
      }
    }
    return copied;
  };
  return visit(spec);
}

/** The head of a column, with the unit of its values if it has one. */
function withUnit(name, unit) {
  return unit ? `${name} [${unit}]` : name;
}

/** A number in the unit of its column, without the last bits that the product adds. */
function inUnit(value, size) {
  if (!size || size.factor === 1 || typeof value !== "number") return value;
  return Number((value * size.factor).toPrecision(12));
}

/** The inside of a tooltip; a missing value is named none. */
function tooltipOf(value, clean) {
  const line = ([name, text]) => `<tr><td class="key">${clean(name)}</td><td class="value">${clean(named(text))}</td></tr>`;
  return `<table>${Object.entries(value).map(line).join("")}</table>`;
}

function named(text) {
  return ["null", "undefined", "NaN", ""].includes(String(text)) ? "none" : String(text);
}

/** Missing values of a figure's labels for screen readers, as tooltips name them. */
function nameMissing(chart) {
  for (const mark of chart.querySelectorAll("[aria-label]")) {
    mark.setAttribute("aria-label", mark.getAttribute("aria-label").replace(/: (null|undefined|NaN|)(?=;|$)/g, ": none"));
  }
}

/** A row without infinities, which no axis has room for. */
function finite(row) {
  for (const [name, value] of Object.entries(row)) if (Math.abs(value) === Infinity) row[name] = null;
  return row;
}

/** The rows of a figure's data set that the filters and choices leave, as objects. */
function rowsOf(source, options, page) {
  const table = page.tables[source.table];
  if (!table) return { rows: [], n: 0 };
  const wanted = Object.assign({}, source.where, ...options.map((option) => option.where));
  const tests = Object.entries(wanted).map(([name, value]) => table.equals(name, value));
  let rows = table.where([...tests, ...page.tests(table)]);
  const keyed = (names) => (row) => JSON.stringify(names.map((name) => table.value(name, row)));
  if (source.once) {
    const firsts = new Map();
    for (const row of [...rows].reverse()) firsts.set(keyed(source.once)(row), row);
    rows = rows.filter((row) => firsts.get(keyed(source.once)(row)) === row);
  }
  if (source.alone) {
    const key = keyed(source.alone);
    const counts = new Map();
    for (const row of rows) counts.set(key(row), (counts.get(key(row)) ?? 0) + 1);
    rows = rows.filter((row) => counts.get(key(row)) === 1);
  }
  if (source.marked) {
    const step = (row) => table.value("step", row);
    rows = rows.filter((row) => table.value("run_id", row) === page.marked);
    if (source.marked === "last") rows = rows.sort((one, other) => step(one) - step(other)).slice(-1);
  }
  const drawn = rows.slice(0, source.at_most).map((row) => finite(table.row(row)));
  return { rows: drawn, n: rows.length };
}

/** Layers with all but those of a marked run pale; marked: names of its data sets. */
function dimmed(layers, marked) {
  const isPale = ({ data, mark }) => data?.name && mark?.type !== "rule" && !marked.includes(data.name);
  return layers.map((layer) => (isPale(layer) ? { ...layer, mark: { ...layer.mark, opacity: PALE * (layer.mark.opacity ?? 1) } } : layer));
}

class FigureView {
  constructor(figure, page) {
    this.figure = figure;
    this.page = page;
    this.key = (choice) => `${figure.name}.${choice.name}`;
    this.chart = element("div", { class: "chart", role: "img", "aria-label": `${figure.title}. ${figure.caption}` });
    const pan = reachable(element("div", { class: "pan", role: "group", "aria-label": `Chart: ${figure.title}` }, this.chart));
    this.note = element("p", { class: "cut" });
    this.unmark = button("Unmark the run", () => page.mark(""), { hidden: true });
    this.data = element("details", { class: "data", ontoggle: () => this.list() }, element("summary", {}, "The numbers, with a link to the runs"));
    const choices = figure.choices.filter((choice) => choice.options.length > 1).map((choice) => select(
      choice.label, choice.options.map((option) => [option.name, option.label]), this.option(choice).name,
      (value) => { state.set(this.key(choice), value === choice.options[0].name ? "" : value); this.draw(); },
    ));
    const svg = button("Copy SVG", async (event) => this.view && copy(await this.view.toSVG(), event.target));
    const words = button("Copy caption", (event) => copy(this.caption, event.target));
    this.node = element("figure", {},
      element("h3", {}, figure.title),
      element("div", { class: "controls" }, ...choices, this.unmark),
      pan, this.note,
      element("figcaption", {}, figure.caption),
      ...(figure.hint ? [element("p", { class: "hint" }, figure.hint)] : []),
      element("div", { class: "controls" }, ...copyButtons(() => this.table()), svg, words),
      this.data,
    );
  }

  option(choice) {
    const name = state.get(this.key(choice));
    return choice.options.find((option) => option.name === name) ?? choice.options[0];
  }

  get options() {
    return this.figure.choices.map((choice) => this.option(choice));
  }

  /** The caption to be copied, with what the reader chose and what the filter hides. */
  get caption() {
    const { figure, page } = this;
    const chosen = figure.choices.map((choice) => `${choice.label}: ${this.option(choice).label}`);
    const hidden = state.all("hide").filter((name) => page.model.levels.some((level) => level.name === name));
    const places = Object.keys(page.axes()).filter((axis) => state.get(`at.${axis}`)).map((axis) => `${axis}=${state.get(`at.${axis}`)}`);
    const parts = [figure.caption];
    if (chosen.length) parts.push(`${chosen.join("; ")}.`);
    if (places.length) parts.push(`Only ${places.join(", ")}.`);
    if (hidden.length) parts.push(`Not drawn: ${hidden.join(", ")}.`);
    if (this.marked) parts.push(`Marked: ${this.marked.level}, seed ${this.marked.seed} (run ${this.marked.run_id}).`);
    return parts.join(" ");
  }

  /** The names of the data sets that are of a marked run. */
  get ofMarked() {
    return Object.keys(this.figure.data).filter((name) => this.figure.data[name].marked);
  }

  /** The longest name that a legend has. */
  get longest() {
    const names = this.rows.flatMap((row) => [row.level, row.study]).filter(isSaid);
    return [...new Set(names)].reduce((one, other) => (other.length > one.length ? other : one), "");
  }

  async draw() {
    const { figure, page } = this;
    const datasets = {};
    const cuts = [];
    let most = 0;
    for (const [name, source] of Object.entries(figure.data)) {
      const { rows, n } = rowsOf(source, this.options, page);
      datasets[name] = rows;
      most = Math.max(most, rows.length);
      if (n > rows.length) cuts.push(`${rows.length} of ${n} rows of ${source.table} are drawn`);
    }
    this.rows = datasets[figure.main];
    [this.marked] = this.ofMarked.flatMap((name) => datasets[name]);
    this.unmark.hidden = !this.marked;
    this.note.textContent = cuts.length ? `${cuts.join("; ")}.` : "";
    this.list();
    this.view?.finalize();
    this.view = null;
    if (!this.rows.length) {
      this.chart.replaceChildren(element("p", {}, "Nothing is left to draw: the filter hides it, or there is no value."));
      return;
    }
    this.width = this.chart.parentElement.clientWidth;
    const spec = { ...adapted(figure.spec, this.options, page.model), ...sizesOf(figure, this.width), datasets };
    if (spec.layer) spec.layer = spec.layer.filter(({ data }) => !data?.name || datasets[data.name].length);
    if (this.marked) spec.layer = dimmed(spec.layer, this.ofMarked);
    if (figure.row_height) spec.height = figure.row_height * Math.max(1, this.rows.length);
    const embedded = await vegaEmbed(this.chart, spec, {
      mode: "vega-lite", ast: true, actions: false, defaultStyle: false, config: look(this.width, this.longest),
      renderer: most > MAX_SVG_ROWS ? "canvas" : "svg", tooltip: { disableDefaultStyle: true, formatTooltip: tooltipOf },
    });
    this.view = embedded.view;
    nameMissing(this.chart);
    reachable(this.chart.parentElement);
    this.view.addEventListener("click", (event, item) => lead(page.tables, item?.datum, figure.task)?.());
  }

  /** Column -> the factor, unit and decimals of its numbers in the caption's unit. */
  get sizes() {
    return Object.assign({}, this.figure.sizes, ...this.options.map((option) => option.sizes));
  }

  /** The rows as they are copied, in the unit of the caption; no column of groups without any. */
  table() {
    const { sizes } = this;
    const columns = this.figure.columns.filter((name) => name !== "group" || this.rows.some((row) => isSaid(row.group)));
    const names = columns.map((name) => withUnit(name, sizes[name]?.unit));
    const rows = this.rows.map((row) => columns.map((name) => inUnit(row[name], sizes[name])));
    return { names, rows, caption: this.caption, size: (_, column) => sizes[columns[column]] };
  }

  /** Fill the list of numbers, once it is open. */
  list() {
    if (!this.data.open || !this.rows) return;
    const { names, rows } = this.table();
    const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)), element("th", { scope: "col" }, "runs"));
    const body = rows.slice(0, MAX_DATA_ROWS).map((cells, i) => {
      const open = lead(this.page.tables, this.rows[i], this.figure.task);
      return element("tr", {}, ...cells.map((cell) => element("td", {}, shown(cell))), element("td", {}, open ? button("show", open, { class: "link" }) : ""));
    });
    const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
    const more = rows.length > MAX_DATA_ROWS ? element("p", {}, `The first ${MAX_DATA_ROWS} of ${rows.length} rows; Copy CSV has all.`) : null;
    this.data.replaceChildren(this.data.firstChild, reachable(element("div", { class: "scroll", role: "group", "aria-label": `The numbers of ${this.figure.title}` }, table)), ...(more ? [more] : []));
  }
}
