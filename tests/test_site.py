"""The documents as a site: built strictly, whole, and readable from a file without a network."""

import html.parser
import itertools
import re
import subprocess
import sys
import urllib.parse

import pytest
from runs import ROOT

from actstudy.contract.errors import StudyError

pytest.importorskip("sphinx", reason="the extra `site` is not installed")
sys.path.insert(0, str(ROOT / "docs"))
import chapters
import kept_tables
import website

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "srcset"}
EXPLORED = "docs/example/default/README.md"
STUDIES_WITH = ["default", "gated"]  # example studies whose explorers this test has made
pytestmark = pytest.mark.filterwarnings("ignore:.myst_parser")  # it calls what Sphinx will remove


class Page(html.parser.HTMLParser):
    """A page's ids, what it links and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.ids = set()
        self.links = []
        self.loads = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids.add(named.get("id"))
        if tag == "a" and named.get("href"):
            self.links.append(named["href"])
        address = named.get(LOADS.get(tag, ""))
        if address and named.get("rel") not in ("index", "search", "next", "prev"):
            self.loads.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, as the command builds it."""
    folder = tmp_path_factory.mktemp("documents") / "site"
    command = [sys.executable, "docs/website.py", str(folder), "--explorers", *STUDIES_WITH]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(folder / "index.html") in done.stdout
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """File -> page, of all pages but the explorer, which tests of its own open."""
    files = [path for path in site.rglob("*.html") if path.name != "explorer.html"]
    files.append(site / "docs/explorer.html")
    return {path: Page(path.read_text(encoding="utf-8")) for path in files}


def test_every_document_is_a_page_and_every_study_file_is_one(site):
    for path in website.pages():
        assert (site / website.address(path)).with_suffix(".html").is_file(), path
    for path in (ROOT / "config").glob("*.yaml"):
        text = (site / f"config/{path.name}.html").read_text(encoding="utf-8")
        assert "baseline" in text, path
    assert {path.name for path in site.parent.iterdir()} == {"site"}


def test_every_link_of_a_page_leads_to_a_file_and_to_a_place_in_it(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme:
                continue
            target = path.parent / urllib.parse.unquote(parts.path) if parts.path else path
            if target.name == website.EXPLORER and target.parent.name not in STUDIES_WITH:
                continue
            known = pages.get(target.resolve())
            is_there = known is None or not parts.fragment or parts.fragment in known.ids
            if not target.is_file() or not (is_there or parts.fragment.startswith("__")):
                broken.append(f"{path.name}: {link}")
    assert sum(len(page.links) for page in pages.values()) > 5000
    assert broken == []


def test_no_page_loads_anything_from_a_host(site, pages):
    for path, page in pages.items():
        assert [name for name in page.loads if urllib.parse.urlsplit(name).netloc] == [], path
        assert [name for name in page.loads if not is_file(path.parent, name)] == [], path
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert "url(http" not in styles.replace('"', "").replace("'", "")
    assert "@import" not in styles


def is_file(folder, address):
    """Whether an address of a page is that of a file, or holds what it loads."""
    parts = urllib.parse.urlsplit(address)
    return parts.scheme == "data" or (folder / urllib.parse.unquote(parts.path)).is_file()


def test_the_side_reads_like_a_book(pages, site):
    text = (site / "index.html").read_text(encoding="utf-8")
    places = [text.index(f'<span class="caption-text">{name}') for name in chapters.CHAPTERS]
    assert places == sorted(places)
    assert next(iter(chapters.CHAPTERS)) == "Start here"
    listed = [*itertools.chain.from_iterable(chapters.CHAPTERS.values())]
    assert len(listed) == len(set(listed))
    assert {name for name in chapters.NAMES if "/" in name} <= {
        website.address(path) for path in website.pages()
    }


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project of few documents, which are built in a second, without an explorer."""
    root = tmp_path / "project"
    files = {
        "README.md": "# Home\n\n[one](docs/one.md#a-place)\n",
        "CHANGELOG.md": "# Changelog\n",
        "config/a.yaml": "# Which one?\n# It says. More.\nbaseline: relu\n",
        "docs/one.md": "# One\n\n## A place\n\n[a](../config/a.yaml) [home](../README.md)\n",
        EXPLORED: "# Explored\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    listed = {"docs/one.md": "First", EXPLORED: "", "config/index.md": "Studies"}
    book = {"Start": {"index.md": "Home", **listed, "CHANGELOG.md": "Changes"}}
    monkeypatch.setattr(chapters, "CHAPTERS", book)
    monkeypatch.setattr(website, "ROOT", root)
    monkeypatch.setattr(website, "write_explorers", lambda folder, names: None)
    return root


def test_links_lead_to_pages_of_source_files_and_a_new_page_comes_last(tmp_path, small):
    (small / "docs/new.md").write_text("# News\n")
    assert website.build(tmp_path / "out/site") == 0
    page = Page((tmp_path / "out/site/docs/one.html").read_text())
    assert {"../config/a.yaml.html", "../index.html"} <= set(page.links)
    home = (tmp_path / "out/site/index.html").read_text()
    assert re.findall(r'<span class="caption-text">(.*?)<', home) == ["Start", "More"]
    assert home.index("docs/new.html") > home.index('caption-text">More')
    text = (tmp_path / "out/site/config/index.html").read_text()
    assert "Which one? It says." in text
    assert "More" not in text.split("<article")[1].split("</article>")[0]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("docs/one.md", "# One\n\n[b](two.md)\n", "'two.md'"),
        ("docs/one.md", "# One\n\n## Another place\n", "'a-place'"),
        ("docs/one.md", "# One\n\n## A place\n\n![b](b.png)\n", "b.png"),
        ("docs/example/two.md", "# Two\n", "isn't included in any toctree"),
    ],
)
def test_a_fault_ends_the_build_and_the_site_that_was_there_stays(
    tmp_path, small, capfd, name, text, words
):
    site = tmp_path / "out/site"
    site.mkdir(parents=True)
    (site / "index.html").write_text("before")
    (small / name).write_text(text)
    assert website.build(site) != 0
    assert words in capfd.readouterr().err
    assert [path.name for path in site.parent.iterdir()] == ["site"]
    assert (site / "index.html").read_text() == "before"


def test_links_in_code_and_those_of_hosts_stay():
    page = ROOT / "docs/one.md"
    code = "```md\n[a](../README.md)\n```\n"
    text = f"[a](api.md) [b](../README.md#c) [d](https://e.f/README.md)\n{code}"
    assert website.readdressed(text, page) == text.replace("../README.md#c", "../index.md#c")
    assert list(website.linked(text)) == ["api.md", "../README.md"]


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setattr(website, "EXTRA", ("no_such_package",))
    monkeypatch.setattr(sys, "argv", ["website.py"])
    assert website.main() == 2
    words = "actstudy: no_such_package: not installed; to fix: make site\n"
    assert capsys.readouterr().err == words


def test_a_table_that_the_explorer_lacks_is_named(tmp_path, small, monkeypatch, capsys):
    def lack(folder, names):
        raise StudyError("runs.parquet: no such table; to fix: snakemake")

    monkeypatch.setattr(website, "write_explorers", lack)
    monkeypatch.setattr(sys, "argv", ["website.py", str(tmp_path / "out/site")])
    assert website.main() == 2
    words = "no such table; to fix: snakemake; then python docs/refresh.py --from results\n"
    assert capsys.readouterr().err.endswith(words)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def browser(request):
    browsers = pytest.importorskip("browsers", reason="selenium is not installed")
    yield from browsers.session(request.param)


@pytest.fixture
def opened(browser, site):
    """Opens a page of the site, at a width; afterwards no host was asked and nothing complained."""
    import browsers  # late: it needs selenium

    def open_page(name, width=browsers.WIDTH):
        browsers.resize(browser, width, browsers.HEIGHT)
        browser.get((site / name).as_uri())
        files = browser.execute_script(browsers.LOADED)
        assert [address for address in files if not address.startswith(("file:", "data:"))] == []
        return browser

    yield open_page
    assert browsers.complaints(browser) == []


NOT_LOADED = """
return [...document.images].filter((image) => !(image.complete && image.naturalWidth))
    .map((image) => image.src);
"""
OUT_OF_REACH = """
const faults = 'p.caption[role=heading]:not([aria-level]), pre:not([tabindex])';
return document.querySelectorAll(faults).length;
"""
WIDTHS = "return [document.documentElement.scrollWidth, window.innerWidth]"
TITLE = "return document.querySelector('h1').innerText"


def test_pages_open_from_a_file_with_their_pictures_and_fit_a_telephone(opened):
    n_pictures = 0
    for name in itertools.chain.from_iterable(chapters.CHAPTERS.values()):
        browser = opened(name.replace(".md", ".html"), width=400)
        assert browser.execute_script(NOT_LOADED) == [], name
        assert browser.execute_script(OUT_OF_REACH) == 0, name
        n_pictures += browser.execute_script("return document.images.length")
        page_width, width = browser.execute_script(WIDTHS)
        assert page_width <= width, name
    assert n_pictures > 40


RESULTS = "return [...document.querySelectorAll('#search-results li a')].map((node) => node.href)"


def wait(is_done):
    """Wait until something is so."""
    import browsers

    return browsers.wait(is_done)


SEARCHED = "return document.getElementById('search-results')?.innerText"


def test_the_search_finds_gelu_in_documents_first(opened):
    browser = opened("index.html")
    browser.execute_script(
        "const field = document.querySelector('.sidebar-search');"
        "field.value = 'gelu'; field.form.requestSubmit();"
    )
    status = wait(lambda: re.search(r"found (\d+)", browser.execute_script(SEARCHED) or ""))
    n = int(status[1])  # they are put in one by one
    wait(lambda: len(browser.execute_script(RESULTS)) >= n)
    links = [link.split("/site/")[1].split("?")[0] for link in browser.execute_script(RESULTS)]
    assert len(links) == len(set(links)) > 20
    assert {"index.html", "docs/guide.html", "docs/properties.html"} <= set(links[:25])
    behind = [link.startswith("docs/example/") for link in links if link != "CHANGELOG.html"]
    assert behind == sorted(behind)
    assert not any(link.endswith(".yaml.html") for link in links)


def test_the_page_of_the_default_study_leads_to_its_explorer(opened):
    browser = opened("docs/example/default/README.html")
    (link,) = browser.find_elements("css selector", "a[href='explorer.html']")
    link.click()
    drawn = "return [...document.querySelectorAll('#parts button')].map((node) => node.innerText)"
    parts = wait(lambda: browser.execute_script(drawn))
    assert {"Answer", "Differences", "Curves", "Health"} <= set(parts)
    assert "160 of 160 runs" in browser.execute_script(TITLE)


def test_each_example_study_leads_to_its_explorer(site, pages):
    for study, name in website.explored().items():
        for page in website.EXPLORED_PAGES:
            links = pages[site / study / page.replace(".md", ".html")].links
            assert "explorer.html" in links, study
        explorer = site / study / website.EXPLORER
        assert explorer.is_file() == (name in STUDIES_WITH)
        if name in STUDIES_WITH:
            assert kept_tables.read(name).lacks in explorer.read_text(encoding="utf-8")


def test_the_reader_chooses_dark_pages(opened):
    browser = opened("docs/api.html")
    (button,) = browser.find_elements("css selector", ".theme-toggle-content button")
    colour = "return getComputedStyle(document.body).backgroundColor"
    colours = set()
    for _ in range(3):
        button.click()
        colours.add(browser.execute_script(colour))
    assert len(colours) == 2
