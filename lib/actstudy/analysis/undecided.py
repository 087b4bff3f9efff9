"""What the last page of a study has left open, of tasks whose verdicts hold at any n."""

from pathlib import Path

import pandas as pd

from actstudy.analysis.markdown import cell_name
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, more_seeds, primary
from actstudy.contract.counting import counted
from actstudy.study.planning import Study


def at_any_n(study: Study, task: str) -> str:
    """How many seeds of a task are asked for, and what its last page has left undecided.

    Seeds that have run since that page are not judged here; a page that cannot be read is none.
    """
    n = len({run.spec.seed for run in study.possible if run.task == task})
    text = f"verdicts hold at any number of seeds; {n} asked for"
    try:
        table = primary(pd.read_parquet(Path(study.folder) / "tables/contrasts.parquet"))
        rows = table[table["task"] == task]
    except (OSError, ValueError, KeyError):
        return text
    if rows.empty:
        return text
    text += f"; at the last page, n = {int(rows['seeds'].max())}, "
    names = []
    for row in rows[rows["verdict"].isin(OPEN_VERDICTS)].to_dict("records"):
        more = more_seeds(row)[0]
        names.append(f"{cell_name(row['level'], row['group'])} ({counted(more, 'more seed')})")
    return f"{text}undecided: {', '.join(names)}" if names else f"{text}all was decided"
