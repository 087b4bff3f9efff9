"""Tables of docs/guide.md with the claims of the study docs/example/guide."""

from pathlib import Path

import pandas as pd
from measured import markdown

from actstudy.analysis.page import ledger_tables
from actstudy.analysis.questions.ledger_verdicts import VERDICTS

EXAMPLE = Path(__file__).resolve().parent / "example"
TABLE = EXAMPLE / "guide/tables/claims.csv"
FULL_TABLE = EXAMPLE / "guide_full/tables/claims.csv"
PHRASES = {
    "holds": "hold",
    "holds only when": "hold under a condition alone",
    "does not hold": "do not hold",
}
BESIDE = ("C033", "C159", "C218")  # memory for backward, recurrent nets, size without dead units
FORMULA = r"^'(?=[-+=@])"
TEXTS = ("measured", "verdict", "detail", "note", "kind", "topic")


def claims(file: Path = TABLE) -> pd.DataFrame:
    """A row per claim."""
    table = pd.read_csv(file)
    table = table.rename(columns=lambda name: name.split(" [")[0]).fillna(dict.fromkeys(TEXTS, ""))
    for name in ("claimed", "measured"):  # in a CSV no text begins like a formula
        table[name] = table[name].str.replace(FORMULA, "", regex=True)
    return table


def headlines() -> str:
    """The claims that most readers meet: claimed, measured, n, verdict; those that hold first."""
    table = claims()
    table["order"] = table["verdict"].map(list(VERDICTS).index)
    rows = table[table["headline"]].sort_values("order", kind="stable")
    return ledger_tables.table(rows).rstrip() + "\n"


def verdicts() -> str:
    """Claims by topic and verdict."""
    return ledger_tables.by_topic(claims()).rstrip() + "\n"


def ablations() -> str:
    """Claims on what guides recommend without a number, and those of the ledger beside them."""
    table = claims()
    rows = table[(table["topic"] == "ablations") | table["id"].isin(BESIDE)]
    return ledger_tables.table(rows.sort_values("id")).rstrip() + "\n"


def full() -> str:
    """The claims that runs of config/guide_full.yaml have decided, those that hold first."""
    table = claims(FULL_TABLE)
    table["order"] = table["verdict"].map(list(VERDICTS).index)
    return ledger_tables.table(table.sort_values(["order", "id"])).rstrip() + "\n"


def surprises() -> str:
    """How many claims have a verdict against expectation; each explained, those that hold first."""
    table = claims()
    marked = table[table["unexpected"]]
    marked = marked.assign(order=marked["verdict"].map(list(VERDICTS).index)).sort_values("order")
    counts = marked["verdict"].value_counts()
    words = [f"{counts.get(name, 0)} {phrase}" for name, phrase in PHRASES.items()]
    rows = []
    for row in marked.to_dict("records"):
        verdict = ledger_tables.claim_row(row)["verdict"]
        rows.append(
            [row["id"], row["claim"], row["claimed"], row["measured"], verdict, row["note"]]
        )
    several = markdown(["", "claim", "claimed", "measured", "verdict", "why"], rows)
    return f"{', '.join(words[:-1])} and {words[-1]}:\n\n{several}"
