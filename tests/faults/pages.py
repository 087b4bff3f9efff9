"""What a page or a table would do where somebody opens it."""

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
        self.text, self.tags, self.scripts = "", set[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        urls = [value or "" for name, value in attrs if name in ("href", "src")]
        ours = tag == "img" and all(re.fullmatch(r"figures/\w+/\w+\.png", url) for url in urls)
        if tag in ACTIVE or any(name.startswith("on") for name, _ in attrs) or (urls and not ours):
            self.scripts.append(
                self.get_starttag_text() or tag
            )  # a page of ours has pictures and no links

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(markdown: str) -> Nodes:
    """A Markdown page through a renderer that passes HTML on as it stands."""
    renderer = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(
        ["table", "strikethrough"]
    )
    return Nodes(renderer.render(markdown))


def formulas(file: Path) -> list[str]:
    """The cells of a CSV that a spreadsheet would compute; numbers are none."""
    with file.open(newline="", encoding="utf-8") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    return [
        one
        for one in cells
        if one.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝")) and not number(one)
    ]


def number(text: str) -> bool:
    """Whether text is a number."""
    with contextlib.suppress(ValueError):
        return float(text) == float(text) or text == "nan"
    return False
