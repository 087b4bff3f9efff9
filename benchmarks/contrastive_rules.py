"""How often the advisor's contrastive rules speak: of planted faults, and of what is sound.

    python benchmarks/contrastive_rules.py --out benchmarks/results

Each case is a few steps of two small towers on random pairs, watched by a Monitor at every step, or
the settings of a run; each is of one rule and has its fault or has not. The cases of rule `any` are
trainings of 150 steps that learn; none of the rules should speak of them.
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
from contrastive_cases import RULES
from contrastive_towers import PLAIN, Towers, WithLoss
from torch import nn

from actstudy.health import Monitor
from actstudy.losses import LOSSES, ContrastiveLoss

STEPS = 150
WARM_UP = 100  # 2 / (1 - beta2) steps


def learning() -> Iterator[tuple[str, set[str], float]]:
    """Trainings that are sound: name, the rules that speak, the share of the loss that is left."""
    for name in LOSSES:
        for lr in (3e-4, 2e-3):
            torch.manual_seed(0)
            yield (
                f"ContrastiveLoss({name!r}), rate {lr}",
                *learnt(WithLoss(ContrastiveLoss(name)), lr),
            )
    for code in ("s.exp() * p @ q.T", PLAIN):
        torch.manual_seed(0)
        yield f"{code}, rate 0.002", *learnt(Towers(14.3, code), 2e-3)


def learnt(model: nn.Module, lr: float) -> tuple[set[str], float]:
    """The rules that speak while pairs of one vector seen twice are learnt, and the loss left."""
    rules = {rule.__name__ for rule in RULES}
    adam = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 1 - 2 / WARM_UP))
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: min(1.0, (step + 1) / WARM_UP))
    g = torch.Generator().manual_seed(1)
    mixings = [torch.randn(6, n, generator=g) for n in (12, 9)]
    losses = []
    with Monitor(model, every=10) as health:
        for _ in range(STEPS):
            z = torch.randn(64, 6, generator=g)
            loss = model(*(z @ mixing for mixing in mixings))
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            health.step(loss)
            losses.append(loss.item())
    return {finding.rule for finding in health.findings()} & rules, losses[-1] / losses[0]


def planted() -> list[dict[str, object]]:
    """A row per case of a rule: whether it is faulty, and whether the rule speaks."""
    rows = []
    for rule in RULES:
        for is_faulty, cases in zip((True, False), rule(), strict=True):
            for name, case in cases.items():
                torch.manual_seed(0)
                speaks = rule.__name__ in case()
                about = {"rule": rule.__name__, "case": name}
                rows.append({**about, "is_faulty": is_faulty, "speaks": speaks})
    return rows


def table() -> pd.DataFrame:
    """A row per case of a rule, and per sound training, of rule `any`."""
    rows = planted()
    for name, spoken, share in learning():
        about = {"rule": "any", "case": f"{name}: {share:.0%} of the loss left"}
        rows.append({**about, "is_faulty": False, "speaks": bool(spoken)})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # towers without an activation
    frame = table()
    frame.to_parquet(arguments.out / "contrastive_rules.parquet", index=False)
    print(frame.groupby(["rule", "is_faulty"], sort=False)["speaks"].agg(["sum", "size"]))
    print(frame[frame["is_faulty"] != frame["speaks"]].to_string())


if __name__ == "__main__":
    main()
