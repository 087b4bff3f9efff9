"""The page on a small screen, on paper, by keyboard; what it copies besides tables and figures."""

import random
import re

import big_studies
import pytest

from actstudy.analysis import scale
from actstudy.analysis.explorer import page
from actstudy.analysis.export import latex
from actstudy.analysis.tables import Tables

browsers = pytest.importorskip("browsers", reason="selenium is not installed")
wait = browsers.wait
NARROW = 400  # pixels
DRAWN = """
const charts = [...document.querySelectorAll('section:not([hidden]) .chart')];
return !document.getElementById('needs') && charts.every((chart) => chart.childElementCount > 0);
"""
OVERFLOWS = """
const isSeen = (node) => node.offsetParent !== null;
const regions = [...document.querySelectorAll('.reach')].filter(isSeen);
return regions.map((node) => [
  node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight,
  node.getAttribute('tabindex') === '0', node.getAttribute('role'), node.getAttribute('aria-label'),
]);
"""
UNREACHED = """
const nodes = [...document.querySelectorAll('main section:not([hidden]) *')];
return nodes.filter((node) => {
  const flow = getComputedStyle(node).overflowX;
  const scrolls = (flow === 'auto' || flow === 'scroll') && node.scrollWidth > node.clientWidth;
  return scrolls && node.offsetParent !== null && !node.matches('.reach[tabindex="0"]');
}).map((node) => node.outerHTML.slice(0, 80));
"""
TITLES = """
const titles = [...document.querySelectorAll('.chart svg .role-axis-title')];
return titles.map((title) => title.textContent);
"""
DOTS = "return document.querySelectorAll('.chart svg .role-mark.mark-symbol path').length"
TEXTS = r"""
return arguments[0].map((text) => [inLatex(text), toCsv(['a'], [[text]]).split('\n')[1]]);
"""
STYLE = "const own = getComputedStyle(document.body); return [own.color, own.backgroundColor]"
COPIES = (
    "window.copied = [];"
    "navigator.clipboard.writeText = async (text) => { window.copied.push(text); };"
)
COLOURS = """
const nodes = [...document.querySelectorAll('.chart svg text[fill]')];
return [...new Set(nodes.map((node) => node.getAttribute('fill')))];
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return big_studies.small(tmp_path_factory.mktemp("screen"))


@pytest.fixture(scope="module")
def file(tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("screen-page") / "explorer.html"
    long = {**tables.frames, "curves": big_studies.long_curves(tables.frames["curves"])}
    path.write_text(page.render(Tables(tables.plan, long)), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def browser(request):
    yield from browsers.session(request.param)


@pytest.fixture
def opened(browser, file):
    """Opens the page at a fragment, in a window of some width."""

    def open_at(fragment, width=browsers.WIDTH, scheme="light"):
        browsers.resize(browser, width, 800, scheme)
        browser.get("about:blank")
        browser.get(f"{file.as_uri()}#{fragment}")
        wait(lambda: browser.execute_script(DRAWN))
        browser.execute_script(COPIES)
        return browser

    yield open_at
    browsers.resize(browser, browsers.WIDTH, browsers.HEIGHT)
    assert browsers.complaints(browser) == []


def click(browser, css, words):
    """Click the shown element with some words."""
    nodes = browser.find_elements("css selector", css)
    (node, *_) = [node for node in nodes if node.is_displayed() and node.text == words]
    node.click()


def copied(browser, n=1):
    return wait(lambda: browser.execute_script(f"return copied.length >= {n} && copied"))


def test_no_chart_is_cut_on_a_small_screen_and_all_that_scrolls_is_reached(opened):
    browser = opened("", NARROW)
    for part in browser.execute_script("return page.model.parts.map((part) => part.name)"):
        browser.execute_script("state.set('part', arguments[0]); page.show()", part)
        wait(lambda: browser.execute_script(DRAWN))
        wait(lambda: all(wide == stop for wide, stop, *_ in browser.execute_script(OVERFLOWS)))
        for is_wide, _, role, label in browser.execute_script(OVERFLOWS):
            assert role == "group", part
            assert label, part
            assert not (is_wide and label.startswith("Chart: ")), (part, label)
        assert browser.execute_script(UNREACHED) == [], part


def test_a_window_that_grows_has_its_legends_beside_the_charts(opened):
    browser = opened("part=calibration", NARROW)
    size = "return document.querySelector('.chart svg').getBoundingClientRect().width"
    narrow = browser.execute_script(size)
    assert narrow <= NARROW
    browsers.resize(browser, 1000, 800)
    assert wait(lambda: browser.execute_script(size) > narrow + 100)


@pytest.mark.parametrize(
    ("axis", "title"), [("step", "steps"), ("epoch", "epochs"), ("train_seconds", "seconds")]
)
def test_each_horizontal_axis_has_its_title_and_every_evaluation(opened, axis, title):
    browser = opened("part=curves")
    browser.execute_script(
        "const [list] = [...document.querySelectorAll('figure select')].filter((node) =>"
        "  [...node.options].some((option) => option.value === 'epoch'));"
        "list.value = arguments[0]; list.dispatchEvent(new Event('change'))",
        axis,
    )
    wait(lambda: any(text.startswith(title) for text in browser.execute_script(TITLES)))
    n = browser.execute_script(DOTS)
    assert n == len(big_studies.LEVELS) * big_studies.EVALUATIONS
    ticks = browser.execute_script(
        "return [...document.querySelectorAll('.chart .role-axis .role-axis-label text')]"
        ".map((node) => node.textContent)"
    )
    assert len(ticks) > 4


def test_a_copied_caption_says_what_was_chosen_and_nothing_of_the_screen(opened):
    browser = opened("part=curves&curves.metric=loss&curves.x=epoch&hide=tanh")
    click(browser, "figure button", "Copy caption")
    (caption,) = copied(browser)
    assert caption.endswith(
        "Metric: loss; Data: validation; Horizontal axis: epochs; Vertical axis: linear. "
        "Not drawn: tanh."
    )
    assert "Click" not in caption
    (hint,) = browser.find_elements("css selector", "section:not([hidden]) .hint")
    assert hint.text == "Click a line for its run, which is then marked."


def test_results_are_copied_as_they_stand_and_as_the_files_of_the_study(opened, tables):
    browser = opened("part=results")
    click(browser, "section:not([hidden]) button", "Copy means_mlp.tex")
    click(browser, "section:not([hidden]) .small button", "Copy CSV")
    click(browser, "section:not([hidden]) .small button", "Copy LaTeX")
    file, csv, table = copied(browser, 3)
    assert file == latex.means_latex(tables, "mlp")
    head, *rows = csv.splitlines()
    assert head == 'activation,"test accuracy, %: mean (sd)",n'
    means = tables.reported("mlp").set_index("level")["mean"]
    for row in rows:
        level, value = row.split(",")[:2]
        assert value.startswith(scale.of_metric("accuracy").number(means[level]))
    assert "\\toprule" in table
    (caption,) = re.findall(r"\\caption\{(.*)\}\n\\label\{tab:made-[a-z0-9-]+\}\n", table)
    assert "In brackets: standard deviation over seeds. Test accuracy" in caption
    assert f"n = {big_studies.BLOCK['seeds']} seeds; data: mnist1d; study: made." in caption
    assert "\\usepackage{booktabs}" in table
    assert "\\begin{tabular}{lrr" in table


def test_scripts_round_as_python_does(opened):
    browser = opened("part=method")
    rng = random.Random(0)
    values = [rng.randrange(-80_000, 80_000) / 80_000 for _ in range(300)]
    values += [0.74325, 74.325, -0.125, 0.0, 1e-9, 1935.35, 3e13]
    for digits in (1, 2, 4):
        script = "return arguments[0].map((value) => Number(fixed(value, arguments[1])) || 0)"
        own = browser.execute_script(script, values, digits)
        assert own == [scale.rounded(value, digits) for value in values]
    assert browser.execute_script(TEXTS, ["-4.65 to +1.35", "+3.00 points", "=1+1", "-x"]) == [
        ["$-4.65$ to $+1.35$", "-4.65 to +1.35"],
        ["$+3.00$ points", "+3.00 points"],
        ["=1+1", "'=1+1"],
        ["-x", "'-x"],
    ]


def test_an_answer_to_decide_leads_to_the_verdicts_of_its_task(opened):
    browser = opened("part=decision")
    text = browser.find_elements("css selector", ".answer")[0].text
    assert "The set asks which activation is the best of all" in text
    click(browser, ".answer button", "The verdicts against the baseline: Differences")
    assert wait(lambda: "part=forest" in browser.current_url)
    assert "task=mlp" in browser.current_url


def test_a_dark_page_is_printed_black_on_white(browser, opened):
    if not browsers.is_chromium(browser):
        pytest.skip("only the protocol of Chromium sets colours")
    opened("part=forest", scheme="dark")
    dark = browser.execute_script(COLOURS)
    assert "#1b2430" not in dark
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(COLOURS) == ["#1b2430"]
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(COLOURS) == dark
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    assert browser.execute_script(STYLE) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
