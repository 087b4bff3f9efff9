"""The properties of every registered activation, as docs/properties.md quotes them.

    python benchmarks/properties.py

Writes benchmarks/results/properties.parquet: a row per activation and property. Properties are
computed from the functions on this machine's CPU; times are those of benchmarks/activations.py.
"""

from pathlib import Path

import pandas as pd
import torch

from actstudy.commands.properties import of_registered

FILE = Path(__file__).parent / "results/properties.parquet"


def main() -> None:
    torch.set_num_threads(1)
    frame = pd.DataFrame(of_registered(timed=False))
    frame.assign(torch=torch.__version__).to_parquet(FILE, index=False)
    print(f"{frame['activation'].nunique()} activations, {frame['property'].nunique()} properties")


if __name__ == "__main__":
    main()
