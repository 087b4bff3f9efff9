"""The documents as a static site, which opens without a server or a network.

python docs/website.py            build/site/index.html, of all pages below docs/ and README.md
python docs/website.py FOLDER     the same in FOLDER, which is replaced
    --explorers NAME...           explorers of these example studies alone, which takes less time

It needs the extra `site`. A broken link or anchor ends it with 1, and the site that was there
stays. A page that chapters.py does not name comes last. The pages are those that a code host shows:
links to source files lead to pages of their text, and folders of example studies list their pages.
"""

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import chapters
from examples import STUDIES

from actstudy.contract.errors import StudyError

ROOT = Path(__file__).resolve().parents[1]
THEME = ROOT / "docs/theme"  # Sphinx's settings and the style sheet
SITE = ROOT / "build/site"
LINK = re.compile(r"(?<=\]\()[^)#\s]+")
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
LANGUAGES = {".yaml": "yaml", ".cff": "yaml", ".py": "python"}  # of source files that get a page
EXAMPLES = "docs/example"
EXPLORER = "explorer.html"  # of an example study, in its folder
OPEN = f'\n<p><a href="{EXPLORER}">Open the explorer of this study</a></p>\n\n'
EXPLORED_PAGES = ("README.md", "summary.md")  # of an example study, that lead to its explorer
HOME = "README.md"
EXTRA = ("sphinx", "myst_parser", "furo", "altair", "vl_convert")  # what the site takes


def pages() -> list[Path]:
    """README.md, the changelog and all pages below docs/."""
    return [ROOT / HOME, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def address(path: Path) -> str:
    """Where a file of the project lies in the site's source: source files as pages."""
    name = path.relative_to(ROOT).as_posix()
    if name == HOME:
        return "index.md"
    return f"{name}.md" if path.suffix in LANGUAGES else name


def linked(text: str) -> Iterator[str]:
    """What a page's links name, those in code and those with a scheme out."""
    for prose in FENCE.split(text)[::2]:
        yield from (link for link in LINK.findall(prose) if not re.match(r"[a-z]+:", link))


def readdressed(text: str, page: Path) -> str:
    """A page's text with links that lead to where the site has their files."""

    def replace(match: re.Match[str]) -> str:
        target = (page.parent / match[0]).resolve()
        if match[0].startswith(("http:", "https:")) or not target.is_file():
            return match[0]
        return os.path.relpath(address(target), page.parent.relative_to(ROOT))

    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(replace, prose) for prose in parts[::2]]
    return "".join(parts)


def source_page(path: Path) -> str:
    """A page with the text of a source file."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8").rstrip()
    return f"# {name}\n\n````{LANGUAGES[path.suffix]}\n{text}\n````\n"


def write_source(folder: Path) -> None:
    """Write the site's source: pages, what they link, and a page per study file of config/."""
    studies = sorted((ROOT / "config").glob("*.yaml"))
    files = set(studies)
    texts = {}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        texts[address(page)] = readdressed(text, page)
        files.update((page.parent / link).resolve() for link in linked(text))
    for path in sorted(files - set(pages())):
        if path.suffix in LANGUAGES:
            alone = [] if path in studies else [chapters.ALONE]
            texts[address(path)] = chapters.marked(
                source_page(path), [chapters.NOT_SEARCHED, *alone]
            )
        elif path.is_file():
            target = folder / address(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    for study in explored():
        for page in filter(texts.__contains__, (f"{study}/{name}" for name in EXPLORED_PAGES)):
            before, head, after = texts[page].partition("\n")
            texts[page] = "".join([before, head, OPEN, after])
    heads = {address(path): path.read_text(encoding="utf-8") for path in studies}
    texts["config/index.md"] = chapters.study_files(heads)
    for name, text in texts.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{text}\n{chapters.contents(name, set(texts))}", encoding="utf-8")


def explored() -> dict[str, str]:
    """The folder of each example study in the site -> its name in STUDIES."""
    return {Path(EXAMPLES, name).as_posix(): name for name in STUDIES}


def write_explorers(folder: Path, names: Collection[str]) -> None:
    """Write the explorers of example studies, from the tables that documents keep of them."""
    import kept_tables  # late: these take longer than all other imports

    from actstudy.analysis.explorer import page

    folder = folder.resolve()
    with contextlib.chdir(ROOT):  # where study files are named from
        for study, name in explored().items():
            if name not in names:
                continue
            own = kept_tables.read(name)
            path = folder / study / EXPLORER
            path.parent.mkdir(parents=True, exist_ok=True)
            text = page.render(own, partial=kept_tables.is_partial(own))
            path.write_text(text, encoding="utf-8")


def build(site: Path, explorers: Collection[str] = tuple(STUDIES)) -> int:
    """Build the site in a folder, which is replaced if nothing fails; the exit status.

    explorers: the names of the example studies that get one.
    """
    from sphinx.cmd.build import build_main

    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=site.parent) as name:
        source = Path(name) / "source"
        draft = Path(name) / "site"
        write_source(source)
        status = build_main(["-qW", "--keep-going", "-c", str(THEME), str(source), str(draft)])
        if status == 0:
            write_explorers(draft, explorers)
            shutil.rmtree(draft / ".doctrees")
            shutil.rmtree(site, ignore_errors=True)
            draft.rename(site)
    return status


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", nargs="?", type=Path, default=SITE, help="the folder, replaced")
    parser.add_argument("--explorers", nargs="+", choices=STUDIES, default=[*STUDIES])
    arguments = parser.parse_args()
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        print(f"actstudy: {missing[0]}: not installed; to fix: make site", file=sys.stderr)
        return 2
    try:
        status = build(arguments.site, arguments.explorers)
    except StudyError as error:  # of the tables of the explorer
        print(f"actstudy: {error}; then python docs/refresh.py --from results", file=sys.stderr)
        return 2
    if status == 0:
        print(f"{arguments.site / 'index.html'}: open it in a browser")
    return status


if __name__ == "__main__":
    sys.exit(main())
