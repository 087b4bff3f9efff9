"""Templates of pages, filled with text that is escaped unless it is Markdown already."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from actstudy.analysis.markdown import prose
from actstudy.analysis.page import links
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

TEMPLATES = Path(__file__).parent


def fill(template: str, tables: Tables, page: Path, **content: Any) -> str:
    """A study's page from a template; page: the file that it is for."""
    written = _environment().get_template(template)
    named: dict[str, Any] = {"links": links.of_page(page), "more": links.documents(page)}
    named["commands"] = links.commands(page)
    named["details"] = f"[{links.DETAILS}]({links.DETAILS})"
    named["handing_on"] = links.handing_on(tables.plan)
    named["is_whole"] = not tables.lacks
    return written.render(plan=tables.plan, **named, **content)


@cache
def _environment() -> jinja2.Environment:
    """What reads the templates: it compiles each once."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=escape_untrusted,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["counted"] = counted
    return environment


def escape_untrusted(value: object) -> Markup:
    """A value of the template, escaped unless it is Markdown already: names may hold anything."""
    if isinstance(value, Markup):
        return value
    return Markup(prose(value))  # noqa: S704  (escaped)
