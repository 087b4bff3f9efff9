"""The embedded State of the Union addresses, split by address, for the data sets made of them."""

import numpy as np
import pandas as pd

from actstudy.data.prepared import hold_out, read_embedded

SHA256 = "16f5e93355a2c6c232e173ab24f5bb41b6f488cc66ba1f4a006e8d89f13d5dc7"
ERAS = (1850, 1900, 1950)  # first years of the second, third and fourth era
HELD_OUT = {"test": 40, "val": 30}  # addresses, an equal share per era


def addresses() -> pd.DataFrame:
    """All 233 addresses with their text, year, era (0 to 3) and split; each is in one split."""
    table = read_embedded("sotu.parquet", SHA256).to_pandas()
    table["era"] = np.searchsorted(ERAS, table["year"], side="right")
    table["split"] = "train"
    for split, n in HELD_OUT.items():
        train = table.index[table["split"] == "train"]
        _, rows = hold_out(table.loc[train, "era"].to_numpy(), n)
        table.loc[train[rows], "split"] = split
    return table
