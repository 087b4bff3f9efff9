"""Properties of activations as tables of Markdown, a row per activation."""

from collections.abc import Iterator, Mapping, Sequence

from actstudy.analysis.markdown import escaped, listed, markdown

Row = Mapping[str, str]  # activation, label, table, property, text
NOTES = {  # what the words of a table mean
    "Curve": "Ranges are infimum and supremum. Places are looked for from -20 to 20.",
    "Slopes and zeros": "Gradients are autograd's. What rounding alone makes flat does not count.",
    "Signal": (
        "Inputs are from N(0, 1); a mean below 5% of the sd is zero-centred. With the gain a "
        "second moment of 1 stays 1 in every layer; a small change of it, and the second moment of "
        "the gradient, are multiplied per layer by the numbers in the table."
    ),
    "Halves": (
        "All values of x are tried: from and to which x output and gradient are finite, and have a "
        "correct binary digit; any: to the last number that there is."
    ),
    "Cost": "Times are multiples of relu's, eager in fp32; bytes are per value in fp32.",
}


def page(rows: Sequence[Row]) -> str:
    """All tables with their titles."""
    parts = []
    for title in dict.fromkeys(row["table"] for row in rows):
        parts += [f"## {title}", table(rows, title), NOTES[title]]
    return "\n\n".join(parts) + "\n"


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
