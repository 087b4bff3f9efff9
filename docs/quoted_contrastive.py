"""Tables of documents with numbers of the studies docs/example/contrastive*."""

import json
from pathlib import Path

import pandas as pd
from measured import markdown

from actstudy.analysis.questions.ledger_words import number
from actstudy.analysis.scale import rounded

EXAMPLE = Path(__file__).resolve().parent / "example"
LOSSES = EXAMPLE / "contrastive/tables"
STABILITY = EXAMPLE / "contrastive_stability/tables"
CHECKLIST = EXAMPLE / "contrastive_checklist/tables"
METRIC = "recall_at_1"
TEXTS = {"verdict": "", "condition": "", "contradiction": ""}


def table(path: Path) -> pd.DataFrame:
    """A kept table, its units out of the headers."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    return frame.rename(columns=lambda name: name.split(" [")[0])


def primary(name: str) -> pd.DataFrame:
    """The contrasts with the baseline of a kept table, by group and level."""
    rows = table(LOSSES / name).fillna(TEXTS)
    return rows[rows["family"] == "primary"].set_index(["group", "level"])


def losses() -> str:
    """Recall at 1 per loss and activation, mean (sd), with the verdict against clip."""
    cells = table(LOSSES / "cells.csv")
    cells = cells[(cells["metric"] == METRIC) & (cells["checkpoint"] == "reported")]
    means = cells.set_index(["group", "level"])
    contrasts = primary("contrasts.csv")
    groups = list(dict.fromkeys(cells["group"]))
    rows = []
    for level in dict.fromkeys(cells["level"]):
        entries = []
        for group in groups:
            own = means.loc[(group, level)]
            text = f"{rounded(100 * own['mean'], 1):.1f} ({rounded(100 * own['sd'], 1):.1f})"
            if (group, level) in contrasts.index:
                text += words(contrasts.loc[(group, level)])
            entries.append(text)
        rows.append([level, *entries])
    score = table(LOSSES / "references.csv")["test"].iloc[0]
    rows.append(["*raw pixels*", *[f"{rounded(100 * score, 1):.1f}" for _ in groups]])
    head = [group.removeprefix("activation=") for group in groups]
    return markdown(["test recall at 1, %", *head], rows)


def words(row: pd.Series) -> str:
    """A contrast's verdict behind a value."""
    if row["verdict"] in ("undecided", "too few seeds"):
        return f" {row['verdict']}"
    return f" **{row['verdict']}**" + ("†" if row["condition"] else "")


def activations() -> str:
    """Per loss the difference of each activation from relu in points, with its verdict."""
    contrasts = primary("activation_contrasts.csv")
    levels = list(dict.fromkeys(contrasts.index.get_level_values("level")))
    rows = []
    for group in dict.fromkeys(contrasts.index.get_level_values("group")):
        entries = []
        for level in levels:
            row = contrasts.loc[(group, level)]
            ends = f"{rounded(100 * row['low'], 1):+.1f} to {rounded(100 * row['high'], 1):+.1f}"
            entries.append(f"{rounded(100 * row['mean'], 1):+.1f} ({ends}){words(row)}")
        rows.append([group.removeprefix("loss="), *entries])
    return markdown(["points of relu's recall at 1", *levels], rows)


def survival() -> str:
    """Runs that did not diverge of those that ended, per loss, by precision and rate, in all."""
    frame = table(STABILITY / "survival.csv")
    cells = frame[frame["of"] == "cell"]
    groups = list(dict.fromkeys(cells["group"]))
    counts = cells.set_index(["level", "group"])
    totals = frame[frame["of"] == "loss"].set_index("level")
    rows = []
    for level, total in totals.iterrows():
        own = [counts.loc[(level, group)] for group in groups]
        rows.append([str(level), *(f"{row['n_survived']} of {row['n']}" for row in own)])
        rows[-1].append(with_interval(total))
    places = [json.loads(counts.loc[(totals.index[0], group), "places"]) for group in groups]
    head = [f"{place['precision']}, {float(place['lr']):g}" for place in places]
    return markdown(["loss", *head, "in all, % (95% interval)"], rows)


def with_interval(row: pd.Series) -> str:
    """`18 of 18: 100 (82 to 100)`."""
    share, low, high = (
        f"{rounded(100 * row[name], 0):.0f}" for name in ("survival", "low", "high")
    )
    return f"{row['n_survived']} of {row['n']}: {share} ({low} to {high})"


def recommendations() -> str:
    """Each recommendation of a checklist: its gain, who survives, and the verdict."""
    claims = table(CHECKLIST / "claims.csv").fillna({"detail": ""}).set_index("id")
    readings = table(CHECKLIST / "readings.csv").fillna({"condition": ""})
    rows = []
    for key, claim in claims.iterrows():
        own = readings[readings["id"] == key]
        verdict = f"**{claim['verdict']}** {claim['detail']}".strip()
        if own.empty:
            rows.append([str(key), claim["claim"], "", "", "", "", verdict])
            continue
        for place, (condition, part) in enumerate(own.groupby("condition", sort=False)):
            values = part.set_index("name")
            sides = [share(values.loc[name]) for name in ("survives", "survives_against")]
            head = [str(key), claim["claim"]] if place == 0 else ["", ""]
            last = verdict if place == 0 else ""
            n = f"{values.loc['gain', 'n']}"
            rows.append(
                [*head, str(condition), gain(values.loc["gain"]), " / ".join(sides), n, last]
            )
    head = ["", "recommendation", "who follows against who does not", "gain, points"]
    return markdown([*head, "survived, %", "n", "verdict"], rows)


def gain(row: pd.Series) -> str:
    """`+1.2 (-0.3 to +2.7)`."""
    value, low, high = (f"{rounded(row[name], 1):+.1f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def share(row: pd.Series) -> str:
    """`100`."""
    return number(row["value"], 3)
