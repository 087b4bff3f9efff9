"""The texts of a study's pages, part by part, as HTML: the same words as there."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from actstudy.analysis import scale
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.page import summary
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan

LINKS = ("link_open", "link_close")  # left out: a page that was sent has no files next to it
SHORT = 30  # characters that stand on one line
NOWHERE = Path("explorer")  # a folder without figures, so that the texts have no pictures


class Section(NamedTuple):
    """What stands below a heading up to the next one, and the headings above it."""

    head: str  # of level 2, empty before the first
    subhead: str  # of level 3, empty before the first
    html: Markup


def of_summary(tables: Tables, partial: bool) -> list[Section]:
    """The sections of summary.md, then of details.md, without pictures; the first is the title."""
    page = NOWHERE / "summary.md"
    own = summary.content(tables, NOWHERE, page)
    details = summary.render_details(tables, NOWHERE, page, own)
    return sections(summary.render(tables, NOWHERE, page, partial, own)) + sections(details)


def of_appendix(tables: Tables) -> list[Section]:
    """The sections of appendix.md without its pictures."""
    return sections(summary.render_appendix(tables, NOWHERE, NOWHERE / "appendix.md"))


def sections(markdown: str) -> list[Section]:
    """A page's sections, in its order; HTML in the Markdown is text, not markup."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = _bare(reader.parse(markdown))
    parts = []
    head = ""
    subhead = ""
    start = 0
    for place, token in enumerate(tokens):
        if token.type != "heading_open" or token.tag not in ("h2", "h3"):
            continue
        parts.append(_section(reader, head, subhead, tokens[start:place]))
        start = place + 3  # behind the heading's opening, words and closing
        words = _plain(tokens[place + 1])
        if token.tag == "h2":
            head = words
            subhead = ""
        else:
            subhead = words
    parts.append(_section(reader, head, subhead, tokens[start:]))
    return parts


def under_tables(plan: Plan, cells: pd.DataFrame) -> dict[str, str]:
    """Task -> what a table of it must say that is copied alone: metric, unit, n, data, study.

    cells: the table of that name, of which n is read; it may lack columns, or all of them.
    """
    notes = {}
    for task, settings in plan.tasks.items():
        heading = scale.heading(settings.metric, settings.predicts)
        words = [heading[:1].upper() + heading[1:]]
        if {"task", "n"} <= set(cells):
            own = cells.loc[cells["task"] == task, "n"]
            words += [seeds(own[own > 0])] if (own > 0).any() else []
        data = ", ".join(settings.classes) or str(settings.recipe.get("dataset", ""))
        words += [f"data: {data}"] if data else []
        notes[task] = f"{'; '.join([*words, f'study: {plan.study}'])}."
    return notes


def joined(parts: Iterable[Section]) -> Markup:
    """The HTML of sections, each under its subheading; the first may have none."""
    texts: list[Markup] = []
    for part in parts:
        head = part.subhead or (part.head if texts else "")
        if head and part.html:
            texts.append(Markup("<h3>{}</h3>").format(head))
        texts.append(part.html)
    return Markup("\n").join(texts)


def _section(reader: MarkdownIt, head: str, subhead: str, tokens: list[Token]) -> Section:
    html = reader.renderer.render(tokens, reader.options, {})
    label = escape(f"Table: {subhead or head}")
    opening = f'<div class="wide" role="group" aria-label="{label}"><table>'
    html = html.replace("<table>", opening).replace("</table>", "</table></div>")
    return Section(head, subhead, Markup(html.strip()))  # noqa: S704  (of escaped Markdown)


def _bare(tokens: list[Token]) -> list[Token]:
    """Tokens without links and without styles of their own, which the page's policy forbids.

    A sentence that is a link alone, as `How.`, is left out with it. Short cells of tables have the
    class that keeps them on one line.
    """
    for place, token in enumerate(tokens):
        token.attrs.pop("style", None)
        if token.type == "td_open" and len(_plain(tokens[place + 1])) <= SHORT:
            token.attrSet("class", "short")
        token.children = _unlinked(token.children or []) or None
    return tokens


def _unlinked(children: list[Token]) -> list[Token]:
    """The parts of a text without links, and without sentences that are one link each."""
    unlinked: list[Token] = []
    for place, child in enumerate(children):
        before, after = children[max(0, place - 2)], children[min(place + 2, len(children) - 1)]
        is_linked = 1 < place < len(children) - 2 and children[place - 1].type == LINKS[0]
        if is_linked and before.content.endswith(". ") and after.content == ".":
            after.content = ""
        elif child.type not in LINKS:
            unlinked.append(child)
    return unlinked


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or [])
