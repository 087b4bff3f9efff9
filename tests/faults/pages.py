"""What a page or a table would do when somebody opens it."""

import contextlib
import csv
import html.parser
import re
from pathlib import Path

import markdown_it

ACTIVE = {"script", "iframe", "object", "embed", "form", "svg", "style", "link", "base", "meta"}


class Nodes(html.parser.HTMLParser):
    """The text of a page in HTML, and the nodes in it that would run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.tags = set[str]()
        self.scripts = list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        urls = [value or "" for name, value in attrs if name in ("href", "src")]
        has_handler = any(name.startswith("on") for name, _ in attrs)
        if tag in ACTIVE or has_handler or (urls and not is_own(tag, urls)):
            self.scripts.append(self.get_starttag_text() or tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def is_own(tag: str, urls: list[str]) -> bool:
    """Whether a node is a picture of the page's own, or a link to its tables and documents."""
    allowed = {
        "img": r"figures/\w+/\w+\.png",
        "a": r"tables/\w+\.(csv|tex)|(\.\./)*docs/\w+\.md|(summary|appendix|claims)\.md|"
        r"details\.md(#[\w%-]+)?|explorer\.html",
    }
    return tag in allowed and all(re.fullmatch(allowed[tag], url) for url in urls)


def rendered(markdown: str) -> Nodes:
    """A Markdown page as nodes, by a renderer that passes HTML through unchanged."""
    renderer = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(
        ["table", "strikethrough"]
    )
    return Nodes(renderer.render(markdown))


def formulas(file: Path) -> list[str]:
    """The cells of a CSV that a spreadsheet would compute, except numbers."""
    with file.open(newline="", encoding="utf-8") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    starts = ("=", "+", "-", "@", "\t", "\r", "\n", "＝")
    return [cell for cell in cells if cell.startswith(starts) and not is_number(cell)]


def is_number(text: str) -> bool:
    """Whether text is a number."""
    with contextlib.suppress(ValueError):
        return float(text) == float(text) or text == "nan"
    return False
