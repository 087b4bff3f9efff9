// The panel of a run or a cell: what it is, how it ended, and the command that runs it again.

const KEY_FACTS = ["study", "task", "level", "group", "seed", "status", "reason", "best_step", "steps_done"];

function openPanel(title, content) {
  const panel = document.getElementById("panel");
  const close = button("Close", () => panel.close(), { class: "close" });
  panel.replaceChildren(
    element("div", { class: "panel-top" }, element("h2", { id: "panel-head" }, title), close),
    ...content,
  );
  panel.onclose = () => { state.set("run", ""); state.set("cell", ""); };
  if (!panel.open) panel.showModal();
}

/** A cell as the address names it; null of any other text. */
function cellOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Terms and their values as a list. */
function facts(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) {
    list.append(element("dt", {}, name), element("dd", {}, shown(value)));
  }
  return list;
}

function isSaid(value) {
  return value !== null && value !== undefined && value !== "";
}

/** Show a run; a run in two groups is shown as of its first one. */
function showRun(tables, id) {
  if (!tables.runs) return;
  const [row] = tables.runs.where([tables.runs.equals("run_id", id)]);
  if (row === undefined) return;
  page.mark(id);
  state.set("run", id);
  const run = tables.runs.row(row);
  const metrics = Object.keys(run).filter((name) => name.startsWith("reported_"));
  const first = [...KEY_FACTS, ...metrics, "folder"].map((name) => [name, run[name]]);
  const rest = Object.entries(run).filter(([, value]) => isSaid(value));
  const rerun = element("code", {}, run.rerun);
  openPanel(`Run ${id}`, [
    element("p", { class: "controls" }, curveButton(run), button("Copy link to this view", (event) => copy(location.href, event.target))),
    facts(first.filter(([, value]) => isSaid(value))),
    ...(run.rerun ? [
      element("h3", {}, "To run it again"),
      element("p", {}, "This removes the run's results first, those of a completed run too."),
      element("p", { class: "command" }, rerun, " ", button("Copy command", (event) => copy(run.rerun, event.target))),
    ] : []),
    element("details", {}, element("summary", {}, "All that is recorded of it"), facts(rest)),
  ]);
}

/** The way to a run's learning curve, if the page has a figure of it. */
function curveButton({ task }) {
  const part = page.model.parts.find(({ name }) => name === "curves");
  if (!part?.figures.some((figure) => figure.task === task)) return null;
  return button("Its learning curve", () => {
    document.getElementById("panel").close();
    state.set("run", ""); // the panel's own event comes later
    for (const [name, value] of [["part", "curves"], ["task", task]]) state.set(name, value);
    page.show();
  });
}

/** Show the runs of a cell, and those of the cell that it is compared with, if any. */
function showCell(tables, cell) {
  if (!tables.runs || !cell?.task || !(cell.task in page.model.metrics)) return;
  state.set("cell", JSON.stringify(cell));
  const { task, group, level, baseline, studies } = cell;
  const runs = tables.runs;
  const levels = new Set([level, baseline].filter(isSaid));
  const rows = runs.where([
    runs.equals("task", task), runs.equals("group", group), runs.isIn("level", levels),
    ...(studies ? [runs.isIn("study", new Set(studies))] : []),
  ]);
  const names = ["study", "level", "seed", "status", `reported_${page.model.metrics[task]}`].filter((name) => runs.columns[name]);
  const head = element("tr", {}, element("th", { scope: "col" }, "run"), ...names.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((row) => element("tr", {},
    element("td", {}, runLink(tables, runs.value("run_id", row))),
    ...names.map((name) => element("td", {}, shown(runs.value(name, row)))),
  ));
  const place = [level, baseline && `against ${baseline}`, group, studies && `in ${studies.join(" and ")}`].filter(isSaid).join(", ");
  openPanel(`Runs of ${place}`, [
    element("p", {}, rows.length === 1 ? "1 run." : `${rows.length} runs.`),
    reachable(element("div", { class: "scroll", role: "group", "aria-label": "Table of runs" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)))),
  ]);
}

function runLink(tables, id) {
  return button(id, () => showRun(tables, id), { class: "link" });
}

/** What a mark of a figure or a row of a table leads to: its run, else its cell. */
function lead(tables, datum, task) {
  if (!tables.runs) return null;
  if (datum?.run_id) return () => showRun(tables, datum.run_id);
  if (!datum?.level) return null;
  const ofLevel = tables.runs.equals("level", datum.level);
  const inTask = tables.runs.equals("task", datum.task ?? task);
  const inGroup = tables.runs.equals("group", datum.group ?? "");
  const rows = tables.runs.where([ofLevel, inTask, inGroup]);
  if (!rows.length) return null;
  if (isSaid(datum.seed) && !isSaid(datum.other)) { // a seed of two studies is two runs
    const row = rows.find((run) => tables.runs.value("seed", run) === datum.seed);
    if (row !== undefined) return () => showRun(tables, tables.runs.value("run_id", row));
  }
  const { level, baseline, other } = datum;
  const cell = { task: datum.task ?? task, group: datum.group ?? "", level };
  if (isSaid(other)) return () => showCell(tables, { ...cell, studies: [datum.first ?? baseline, other] });
  return () => showCell(tables, { ...cell, baseline });
}
