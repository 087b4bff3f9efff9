"""Tables of docs/guide.md with the claims of the study docs/example/guide."""

from pathlib import Path

import pandas as pd
from measured import markdown

from actstudy.analysis.page import ledger_tables
from actstudy.analysis.questions.ledger_verdicts import VERDICTS

TABLE = Path(__file__).resolve().parent / "example/guide/tables/claims.csv"
TEXTS = ("measured", "verdict", "detail", "note", "kind", "topic")


def claims() -> pd.DataFrame:
    """A row per claim."""
    table = pd.read_csv(TABLE)
    return table.rename(columns=lambda name: name.split(" [")[0]).fillna(dict.fromkeys(TEXTS, ""))


def headlines() -> str:
    """The claims that most readers meet: claimed, measured, n, verdict; those that hold first."""
    table = claims()
    table["order"] = table["verdict"].map(list(VERDICTS).index)
    rows = table[table["headline"]].sort_values("order", kind="stable")
    return ledger_tables.table(rows).rstrip() + "\n"


def verdicts() -> str:
    """Claims by topic and verdict."""
    return ledger_tables.by_topic(claims()).rstrip() + "\n"


def surprises() -> str:
    """Claims whose verdict is against expectation, each explained."""
    table = claims()
    rows = []
    for row in table[table["unexpected"]].to_dict("records"):
        verdict = ledger_tables.claim_row(row)["verdict"]
        rows.append(
            [row["id"], row["claim"], row["claimed"], row["measured"], verdict, row["note"]]
        )
    return markdown(["", "claim", "claimed", "measured", "verdict", "why"], rows)
