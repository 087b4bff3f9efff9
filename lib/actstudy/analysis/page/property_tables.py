"""Properties of activations as tables of Markdown, a row per activation."""

from collections.abc import Iterator, Mapping, Sequence

from actstudy.analysis.markdown import escaped, listed, markdown
from actstudy.analysis.page.property_notes import MEANINGS, NOTES

Row = Mapping[str, str]  # activation, label, table, property, text


def page(rows: Sequence[Row]) -> str:
    """All tables with their titles, and what their columns mean."""
    parts = []
    for title in dict.fromkeys(row["table"] for row in rows):
        parts += [f"## {title}", table(rows, title), notes(title)]
    return "\n\n".join(parts) + "\n"


def notes(title: str) -> str:
    """The unit and the meaning of each column of a table, as a list below it."""
    lines = [f"- **{column}**: {meaning}." for column, meaning in MEANINGS[title].items()]
    return "\n".join([NOTES[title], "", *lines])


def table(rows: Sequence[Row], title: str) -> str:
    """A table, and a sentence on each activation of which nothing in it can be said."""
    by_label: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["table"] == title:
            by_label.setdefault(row["label"], {})[row["property"]] = row["text"]
    lines = []
    without: dict[str, list[str]] = {}
    for label, texts in by_label.items():
        if len(set(texts.values())) == 1 and _is_reason(*texts.values()):
            without.setdefault(next(iter(texts.values())), []).append(label)
        else:
            lines.append({"activation": label, **texts})
    parts = [markdown(lines)] if lines else []
    return "\n\n".join([*parts, *_sentences(without)])


def _is_reason(text: str, *_: str) -> bool:
    """Whether a text says why there is no property, and is none itself."""
    return text.startswith("not ")


def _sentences(without: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A line per reason, with the activations that it holds for."""
    for reason, labels in without.items():
        yield f"{listed([escaped(label) for label in labels])}: {escaped(reason)}."
