"""The page to explore in a browser: from a file, without a network, as a reader uses it."""

import functools
import json
import random
import time
import urllib.parse

import big_studies
import pandas as pd
import pytest

from actstudy.analysis.explorer import columns, page

browsers = pytest.importorskip("browsers", reason="selenium is not installed")
LOADED = browsers.LOADED
wait = browsers.wait
N_STATES = 10  # that are reloaded
DRAWN = """
const charts = [...document.querySelectorAll('section:not([hidden]) .chart')];
return !document.getElementById('needs') && charts.every((chart) => chart.childElementCount > 0);
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The page of a study of two groups of cells."""
    folder = tmp_path_factory.mktemp("browser")
    tables = big_studies.copied(big_studies.small(folder), 2)
    path = folder / "explorer.html"
    path.write_text(page.render(tables), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["chromium", "firefox", "webkit"])
def browser(request):
    yield from browsers.session(request.param)


@pytest.fixture
def opened(browser, file):
    """Opens the page at a fragment; afterwards nothing was loaded and nothing complained."""

    def open_at(fragment):
        browser.get("about:blank")
        browser.get(f"{file.as_uri()}#{fragment}")
        wait(lambda: browser.execute_script(DRAWN))
        return browser

    yield open_at
    assert browser.execute_script(LOADED) == []
    assert browsers.complaints(browser) == []


def select(browser, css):
    return browser.find_elements("css selector", css)


def texts(browser, css):
    script = "return [...document.querySelectorAll(arguments[0])].map((node) => node.innerText)"
    return browser.execute_script(script, css)


def click(browser, css, words=None):
    """Click the first shown element, with such words if they are given."""
    for node in select(browser, css):
        if node.is_displayed() and (words is None or node.text == words):
            node.click()
            return
    raise AssertionError(f"nothing to click: {css} {words or ''}")


def parts(browser):
    return texts(browser, "#parts button")


def test_every_part_opens_without_a_complaint(opened):
    browser = opened("")
    assert parts(browser)[:4] == ["Answer", "Decide", "Differences", "Curves"]
    for words in parts(browser):
        click(browser, "#parts button", words)
        wait(lambda: browser.execute_script(DRAWN))
        (section,) = [node for node in select(browser, "main > section") if node.is_displayed()]
        assert len(section.text) > 40, words
        assert texts(browser, "#parts [aria-current=page]") == [words]


def test_a_point_leads_to_its_run_and_its_command_in_two_clicks(opened):
    browser = opened("part=forest")
    symbols = ".chart svg .mark-symbol path"
    assert len(select(browser, symbols)) > 40
    browser.execute_script(
        "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))",
        select(browser, symbols)[0],
    )
    panel = wait(lambda: select(browser, "dialog[open]"))[0]
    assert panel.find_element("css selector", "h2").text.startswith("Run ")
    assert "retry results/runs/mlp/" in panel.find_element("css selector", ".command").text
    assert "run=" in browser.current_url
    click(browser, "dialog .close")
    assert wait(lambda: "run=" not in browser.current_url)


def test_a_row_of_contrasts_leads_to_a_run_in_two_clicks(opened):
    browser = opened("part=tables")
    click(browser, "tbody button.link", "tanh")
    wait(lambda: select(browser, "dialog[open]"))
    click(browser, "dialog tbody button.link")
    assert wait(lambda: texts(browser, "dialog .command code"))[0].startswith("python")


def column(browser, name):
    heads = [text.split(" ")[0] for text in texts(browser, "main .table thead th")]
    return texts(browser, f"main .table tbody td:nth-child({heads.index(name) + 1})")


def rows(browser):
    return texts(browser, "main .table tbody tr")


def test_a_table_is_sorted_and_searched_and_its_state_survives_a_reload(opened):
    browser = opened("part=tables&tables.table=runs")
    click(browser, "main .table thead button", "reported_accuracy")
    values = [float(text) for text in column(browser, "reported_accuracy")]
    assert values == sorted(values)
    click(browser, "main .table thead [aria-sort] button")
    values = [float(text) for text in column(browser, "reported_accuracy")]
    assert values == sorted(values, reverse=True)
    select(browser, "main .table input[type=search]")[0].send_keys("gelu copy=1")
    wait(lambda: len(column(browser, "level")) == 8)
    before = (browser.current_url, column(browser, "run_id"))
    browser.refresh()
    wait(lambda: browser.execute_script(DRAWN))
    assert (browser.current_url, column(browser, "run_id")) == before
    assert select(browser, "main .table input[type=search]")[0].get_attribute("value") == (
        "gelu copy=1"
    )
    opened("part=tables")
    assert len(column(browser, "level")) > 8


def test_a_filter_hides_rows_says_so_and_changes_no_number(opened):
    browser = opened("part=tables")
    before = set(rows(browser))
    assert not select(browser, "#stale")[0].is_displayed()
    click(browser, "#filter fieldset label:nth-of-type(1) input")
    assert "tanh" not in column(browser, "level")
    assert "numbers are not computed again" in select(browser, "#stale")[0].text
    assert rows(browser)
    assert set(rows(browser)) < before
    assert "hide=tanh" in browser.current_url
    browser = opened("part=tables&hide=tanh&hide=silu&at.copy=1")
    assert set(column(browser, "group")) == {"copy=1"}
    assert not {"tanh", "silu"} & set(column(browser, "level"))
    click(browser, "#filter button", "Show all")
    assert "tanh" in column(browser, "level")
    assert "hide" not in browser.current_url


def random_state(rng, parts_of_page):
    """A fragment as a reader's choices make it."""
    words = {
        "part": rng.choice(parts_of_page),
        "hide": rng.choice(["", "tanh", "gelu"]),
        "at.copy": rng.choice(["", "0", "1"]),
        "tables.table": rng.choice(["contrasts", "cells", "runs", "differences"]),
        "runs.sort": rng.choice(["", "reported_accuracy", "seed"]),
        "runs.order": rng.choice(["", "descending"]),
        "cells.q": rng.choice(["", "silu", "accuracy"]),
        "curves.x": rng.choice(["", "epoch", "train_seconds"]),
        "curves.metric": rng.choice(["", "loss"]),
        "forest.family": rng.choice(["", "all pairs"]),
    }
    return urllib.parse.urlencode({name: word for name, word in words.items() if word})


def seen(browser):
    """All words of the page, figures' too, and what its controls are set to."""
    return browser.execute_script(
        "return [document.body.innerText, ...[...document.querySelectorAll('select, input')]"
        ".map((node) => node.type === 'checkbox' ? node.checked : node.value)]"
    )


def test_random_states_are_the_same_after_a_reload(opened):
    browser = opened("")
    names = browser.execute_script("return page.model.parts.map((part) => part.name)")
    rng = random.Random(0)
    views = set()
    for _ in range(N_STATES):
        browser = opened(random_state(rng, names))
        before = (browser.current_url, seen(browser))
        browser.refresh()
        wait(functools.partial(browser.execute_script, DRAWN))
        assert (browser.current_url, seen(browser)) == before
        views.add(str(before[1]))
    assert len(views) > N_STATES / 2


def test_the_axes_of_curves_are_chosen_and_kept_in_the_address(opened):
    browser = opened("part=curves&curves.x=epoch&curves.metric=loss")
    assert [node.get_attribute("value") for node in select(browser, "figure .controls select")] == [
        "loss",
        "epoch",
        "linear",
    ]
    assert "epochs" in browser.execute_script(
        "return document.querySelector('.chart svg').textContent"
    )


def test_what_is_copied_is_what_is_shown(opened):
    browser = opened("part=forest")
    browser.execute_script(
        "window.copied = [];"
        "navigator.clipboard.writeText = async (text) => { window.copied.push(text); };"
    )
    for words in ("Copy CSV", "Copy LaTeX", "Copy SVG", "Copy caption"):
        click(browser, "figure button", words)
    wait(lambda: browser.execute_script("return window.copied.length") == 4)
    csv, latex, svg, caption = sorted(
        browser.execute_script("return window.copied"),
        key=lambda text: [not text.startswith(start) for start in ("level,", "\\begin", "<svg")],
    )
    assert csv.splitlines()[0] == (
        "level,group,baseline,n,mean [points],low [points],high [points],verdict,condition"
    )
    assert len(csv.splitlines()) == 9
    assert "\\toprule" in latex
    assert svg.startswith("<svg")
    assert "n = 8 seeds" in caption
    assert caption.split(":")[0] in latex


OPEN_COLUMNS = """
const lists = document.querySelectorAll('main > section:not([hidden]) details.columns summary');
for (const list of lists) list.click();
"""
PRESENT = """
return document.querySelector('#parts [aria-current]').getBoundingClientRect().toJSON();
"""
LATEX = r"""
const [names, rows, size] = arguments;
const text = toLatex(names, rows, 'c', (row, column) => size[column]);
return text.split('\\midrule\n')[1].split('\n')[0];
"""


def test_numbers_in_latex_have_their_decimals_and_integers_are_whole(opened):
    browser = opened("part=tables")
    names = ["mean", "n_params", "perplexity", "low", "share", "tiny"]
    row = [-1.0000000000000009, 39562, 18295.23, None, 0.123456, 1.25e-7]
    sizes = [{"digits": 2, "signed": True}, None, {"digits": 1}, {"digits": 2}, None, None]
    line = browser.execute_script(LATEX, names, [row], sizes)
    assert line == "$-1.00$ & 39562 & 18295.2 &  & 0.1235 & $1.250\\cdot10^{-7}$ \\\\"
    line = browser.execute_script(LATEX, ["mean", "n"], [[0.001, 8]], sizes[:2])
    assert line == "0.00 & 8 \\\\"
    assert browser.execute_script("return toCsv(['a', 'b'], [[Infinity, null]])") == "a,b\n,\n"
    assert browser.execute_script("return shown(-Infinity)") == ""


MISSING = """
const { columns } = page.tables.contrasts;
for (const name of ['low', 'high']) columns[name] = columns[name].map(() => '-Infinity');
page.show();
"""
LABELS = """
const marks = [...document.querySelectorAll('.chart [aria-label]')];
const labels = marks.map((mark) => mark.getAttribute('aria-label'));
return labels.filter((text) => text.includes('low: '));
"""


def test_a_missing_interval_is_none_and_no_zero(opened):
    browser = opened("part=forest")
    assert not any("none" in text.split("high: ")[1].split(";")[0] for text in labels(browser))
    browser.execute_script(MISSING)
    wait(lambda: any("low: none" in text for text in labels(browser)))
    for text in labels(browser):
        assert "low: none; high: none; level of the interval: none" in text


def labels(browser):
    return wait(lambda: browser.execute_script(LABELS))


def test_texts_have_no_filter_and_no_banner(opened):
    browser = opened("part=results&hide=tanh")
    assert not select(browser, "#stale")[0].is_displayed()
    assert not select(browser, "#filter fieldset")
    opened("part=forest&hide=tanh")
    assert select(browser, "#stale")[0].is_displayed()


def test_every_evaluation_of_a_mean_is_a_dot_and_that_of_a_run_alone(opened):
    browser = opened("part=curves")
    symbols = ".chart svg .role-mark.mark-symbol path"
    dots = f"return document.querySelectorAll('{symbols}').length"
    assert browser.execute_script(dots) == 10 * big_studies.EVALUATIONS
    browser.execute_script(
        "const steps = page.tables.mean_curves.columns.step; const first = steps[0];"
        "page.tables.mean_curves.where = function (tests) {"
        "  return Table.prototype.where.call(this, [...tests, (row) => steps[row] === first]); };"
        "page.show();"
    )
    assert wait(lambda: browser.execute_script(dots)) == 10


def test_reference_lines_are_those_of_the_rows_shown(opened):
    browser = opened("part=curves")
    of_line = {"task": "mlp", "name": "m", "metric": "accuracy", "split": "val", "value": 0.5}
    rows = [{**of_line, "group": f"copy={copy}", "level": None, "data": copy} for copy in "01"]
    rows += [{**rows[0], "level": "gelu"}, {**rows[1], "data": "2", "level": "tanh"}]
    content = json.dumps(columns.of_frame(pd.DataFrame(rows)))
    script = (
        "page.tables.reference_lines = new Table('', JSON.parse(arguments[0]));"
        "const of = { table: 'reference_lines', where: {}, at_most: 9, once: ['name', 'data'] };"
        "return rowsOf(of, [], page).rows.map((row) => row.data).join('')"
    )
    assert browser.execute_script(script, content) == "012"
    for fragment, data in (("at.copy=0", "0"), ("at.copy=1&hide=tanh", "1"), ("hide=gelu", "012")):
        browser = opened(f"part=curves&{fragment}")
        assert browser.execute_script(script, content) == data


def test_a_cell_in_the_address_that_is_none_opens_nothing(opened):
    for cell in ("{bad", "null", "%7B%22task%22%3A%22no%22%7D"):
        browser = opened(f"part=tables&cell={cell}")
        assert not select(browser, "dialog[open]")


def test_a_refused_copy_shows_the_text_inside_the_panel_of_the_run(opened):
    browser = opened("part=tables&tables.table=runs")
    click(browser, "main tbody button.link")
    wait(lambda: select(browser, "dialog[open]"))
    browser.execute_script("navigator.clipboard.writeText = async () => { throw new Error(); }")
    click(browser, "dialog button", "Copy command")
    area = wait(lambda: select(browser, "dialog textarea"))[0]
    assert area.get_attribute("value").startswith("python")
    (panel,) = select(browser, "dialog[open]")
    assert panel.find_element("css selector", "h2").text.startswith("Run ")
    assert "removes the run's results first" in panel.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_no_part_is_wider_than_its_window(browser, opened, scheme, width):
    if scheme == "dark" and not browsers.is_chromium(browser):
        pytest.skip("only the protocol of Chromium sets colours")
    browsers.resize(browser, width, 800, scheme)
    opened("")
    for words in parts(browser):
        click(browser, "#parts button", words)
        wait(lambda: browser.execute_script(DRAWN))
        browser.execute_script(OPEN_COLUMNS)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, words
        tab = browser.execute_script(PRESENT)
        assert tab["left"] >= 0, words
        assert tab["right"] <= width, words
    browsers.resize(browser, browsers.WIDTH, browsers.HEIGHT)


def test_an_old_browser_is_named_what_it_needs(browser, file):
    if not browsers.is_chromium(browser):
        pytest.skip("scripts before a page's own are added by Chromium's protocol")
    script = {"source": "delete window.DecompressionStream;"}
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    browser.get("about:blank")
    browser.get(file.as_uri())
    time.sleep(0.5)
    assert "Chrome 80" in select(browser, "#needs")[0].text
    assert "Answer" in texts(browser, "main h2")
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    browser.get_log("browser")


MARKED = """
const isMarked = (node) => Number(node.getAttribute('stroke-width')) > 3;
const lines = [...document.querySelectorAll('.chart svg .mark-line path')];
const names = [...document.querySelectorAll('.chart svg .mark-text text')];
return [lines.filter(isMarked).length, names.map((node) => node.textContent)];
"""


def test_an_opened_run_is_marked_in_its_curves_and_the_copied_link_restores_it(opened):
    browser = opened("part=curves")
    run = browser.execute_script("return page.tables.curves.row(0)")
    name = f"{run['level']}, seed {run['seed']}"
    n, names = browser.execute_script(MARKED)
    assert n == 0
    assert name not in names
    browser.execute_script("showRun(page.tables, arguments[0])", run["run_id"])
    n, names = wait(lambda: (seen := browser.execute_script(MARKED))[0] and seen)
    assert n == 1
    assert name in names
    browser.execute_script(
        "navigator.clipboard.writeText = async (text) => { window.link = text; }"
    )
    click(browser, "#panel button", "Copy link to this view")
    link = wait(lambda: browser.execute_script("return window.link"))
    browser = opened(urllib.parse.urlsplit(link).fragment)
    assert wait(lambda: browser.execute_script(MARKED)) == [1, names]
    assert "Marked: " + name in browser.execute_script("return page.views[0].caption")
    click(browser, "#panel button", "Its learning curve")
    assert wait(lambda: browser.execute_script(MARKED)) == [1, names]
    click(browser, "figure button", "Unmark the run")
    assert wait(lambda: browser.execute_script(MARKED)[0] == 0)
    assert run["run_id"] not in browser.current_url
