"""How to cite: the project's CITATION.cff as BibTeX."""

from pathlib import Path

import yaml

from actstudy.analysis.markdown import block

FILE = Path("CITATION.cff")


def bibtex() -> str:
    """The project's entry as a code block, empty without CITATION.cff."""
    if not FILE.is_file():
        return ""
    cited = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    fields = {
        "title": cited["title"],
        "author": " and ".join(author(person) for person in cited["authors"]),
        "version": cited.get("version", ""),
        "year": str(cited.get("date-released", ""))[:4],
        "url": cited.get("repository-code", cited.get("url", "")),
        "doi": cited.get("doi", ""),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return block("\n".join([f"@software{{{cited['title']},", *lines, "}"]), "bibtex")


def author(person: dict[str, str]) -> str:
    """An author of CITATION.cff: a group's name in braces, a person's last name first."""
    if "name" in person:
        return f"{{{person['name']}}}"
    return f"{person['family-names']}, {person.get('given-names', '')}".strip(", ")
