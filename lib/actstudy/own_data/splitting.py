"""Which split each example of own data is in: by names, or by shares with a fixed seed."""

from collections.abc import Sequence

import numpy as np

from actstudy.own_data.options import SHARES, SPLITS, Source

SEED = 42
SPELLINGS = {  # of the names of splits, as folders and as values of a column
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "test": "test",
    "testing": "test",
}
MIN_EXAMPLES = len(SPLITS)  # of a class: one per split
MAX_FOLDS = 20  # of groups; a fold is a twentieth of the examples
MAX_OFF = 0.1  # of a split's share, by which whole groups may miss it
STRATA = 10  # of numbers: tenths by size
MIN_STRATUM = 20  # examples of a tenth


def spelled(name: str) -> str | None:
    """The split that a folder's name or a column's value says, in any case; None if it is none."""
    return SPELLINGS.get(name.strip().lower())


def by_names(
    source: Source, names: Sequence[str], strata: np.ndarray, units: np.ndarray
) -> np.ndarray:
    """The split (N,) of examples that say it; without val it is drawn from train.

    names: (N,), each in a spelling of SPELLINGS; strata, units: as of `by_shares`.
    """
    splits = np.array([spelled(name) for name in names])
    for split in ("train", "test"):
        if split not in splits:
            fault = f"split: no example of {split}; allowed: train, val and test, or train and test"
            raise source.fault(fault)
    if "val" in splits:
        return splits
    rows = np.flatnonzero(splits == "train")
    train, val, _ = SHARES
    drawn = by_shares(
        source, strata[rows], units[rows], (train / (train + val), val / (train + val), 0)
    )
    splits[rows] = drawn
    return splits


def by_shares(
    source: Source,
    strata: np.ndarray,
    units: np.ndarray,
    shares: Sequence[float] = SHARES,
) -> np.ndarray:
    """The split (N,) of examples by shares of train, val and test, drawn with a fixed seed.

    strata: (N,) class of each example, or tenth of its number; each is shared out by itself, with
    at least one unit per split. units: (N,) whole numbers; examples of a unit stay in one split.
    """
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    rng = np.random.default_rng(SEED)
    split_of_unit = np.empty(len(first), dtype=object)
    for stratum in np.unique(strata[first]):
        members = rng.permutation(np.flatnonzero(strata[first] == stratum))
        n_val = _count(len(members), shares[1])
        n_test = _count(len(members), shares[2])
        split_of_unit[members] = "train"
        split_of_unit[members[:n_val]] = "val"
        split_of_unit[members[n_val : n_val + n_test]] = "test"
    return split_of_unit[unit].astype(str)


def _count(n: int, share: float) -> int:
    return max(1, round(share * n)) if share else 0


def by_groups(
    source: Source, strata: np.ndarray, groups: np.ndarray, shares: Sequence[float]
) -> np.ndarray:
    """The split (N,) of examples whose groups stay whole, as near to the shares as groups allow.

    StudyError if that is not near.

    strata: (N,) classes, or zeros; groups: (N,) whole numbers. As many folds as the
    rarest class has groups, so that each may have every class.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    codes = np.unique(strata, return_inverse=True)[1]
    in_groups = [len(np.unique(groups[codes == code])) for code in range(codes.max() + 1)]
    n_folds = min(MAX_FOLDS, *in_groups)
    if n_folds < MIN_EXAMPLES:
        fault = f"group: got a class in {n_folds} groups"
        raise source.fault(
            f"{fault}; allowed: each class in at least {MIN_EXAMPLES}, one per split"
        )
    n_val = max(1, round(shares[1] * n_folds))
    n_test = max(1, round(shares[2] * n_folds))
    splits = np.full(len(strata), "train", dtype=object)
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=SEED)
    for fold, (_, rows) in enumerate(folds.split(codes, codes, groups)):
        if fold < n_val + n_test:
            splits[rows] = "val" if fold < n_val else "test"
    _check_reached(source, splits, shares, n_folds)
    return splits.astype(str)


def shares_of(splits: np.ndarray) -> list[float]:
    """The shares of train, val and test among splits (N,), to four places."""
    return [round(float((splits == name).mean()), 4) for name in SPLITS]


def _check_reached(
    source: Source, splits: np.ndarray, shares: Sequence[float], n_folds: int
) -> None:
    """StudyError if whole groups lead to other shares than asked for, beyond MAX_OFF."""
    reached = shares_of(splits)
    if max(abs(got - share) for got, share in zip(reached, shares, strict=True)) > MAX_OFF:
        got = f"got shares {reached} of whole groups in {n_folds} folds, not {[*shares]}"
        remedy = "to fix: more groups of the rarest class, shares near those, or split: COLUMN"
        raise source.fault(f"group: {got}; allowed: at most {MAX_OFF} off; {remedy}")


def tenths(values: np.ndarray) -> np.ndarray:
    """The tenth (N,) of each number by its size; fewer parts, or one, of few numbers."""
    n_strata = max(1, min(STRATA, len(values) // MIN_STRATUM))
    order = np.argsort(values, kind="stable")
    strata = np.empty(len(values), np.int64)
    strata[order] = np.arange(len(values)) * n_strata // len(values)
    return strata


def check_groups(
    source: Source, splits: np.ndarray, groups: np.ndarray, names: Sequence[str]
) -> None:
    """StudyError if a group is in two splits (N,); groups: (N,) places in `names`."""
    codes = np.unique(splits, return_inverse=True)[1]
    pairs = np.unique(np.stack([groups, codes]), axis=1)
    torn, n_splits = np.unique(pairs[0], return_counts=True)
    torn = torn[n_splits > 1]
    if len(torn):
        stands = ", ".join(name for name in SPLITS if name in splits[groups == torn[0]])
        got = f"got {names[torn[0]]!r:.40} in {stands} ({len(torn):,} such of {len(names):,})"
        remedy = "to fix: split: [0.7, 0.15, 0.15] shares out whole groups"
        raise source.fault(f"group: {got}; allowed: each group in one split; {remedy}")


def check_classes(
    source: Source, labels: np.ndarray, splits: np.ndarray, class_names: Sequence[str]
) -> None:
    """StudyError unless every split (N,) has every class; labels: (N,) whole numbers from 0 on."""
    for split in SPLITS:
        counts = np.bincount(labels[splits == split], minlength=len(class_names))
        absent = np.flatnonzero(counts == 0)
        if len(absent):
            names = ", ".join(repr(class_names[place]) for place in absent[:3])
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            fault = f"split {split}: no example of class {names}{more}"
            raise source.fault(f"{fault}; allowed: every class in train, val and test")


def check_sizes(source: Source, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """StudyError unless there are two classes or more, each of three examples or more."""
    if len(class_names) < 2:
        names = ", ".join(map(repr, class_names))
        raise source.fault(f"label: got one class, {names}; allowed: at least 2 classes")
    counts = np.bincount(labels, minlength=len(class_names))
    small = np.flatnonzero(counts < MIN_EXAMPLES)
    if len(small):
        got = f"got {len(labels):,} examples of {len(class_names):,} classes"
        least = f"{counts[small[0]]} of class {class_names[small[0]]!r:.40}"
        allowed = f"at least {MIN_EXAMPLES} examples of each class, one per split"
        raise source.fault(f"label: {got}, {least}; allowed: {allowed}")
