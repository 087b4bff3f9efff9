"""Five hundred damaged files of every kind: each is read, or refused in one line."""

import json
import shutil
import sys
import types
import zipfile

import numpy as np
import pandas as pd
import pytest
from plans import plan_of
from refusals import refusal
from runs import ROOT

from actstudy.contract.errors import StudyError
from actstudy.judging import readers
from actstudy.judging.reading.options import Options
from actstudy.judging.scores import checked, checked_summaries

FILES = ROOT / "tests/files/judging"
N_DAMAGED = 500
LONG = """method,seed,accuracy,diverged
a,0,0.00,
a,1,0.10,
a,2,0.20,
b,0,0.01,
b,1,0.11,
b,2,0.21,true
"""
WIDE = "seed,relu,gelu\n0,1,2\n1,3,4\n2,5,6\n"
MEANS = "method,mean,sd,n\na,1,0.1,4\nb,2,0.2,5\n"
CHART = '"Step","a-0 - x","a-0 - x__MIN","b-0 - x"\n"0","1","1","2"\n"1","2","2","3"\n'
TABLE = '"Name","State","method","seed","accuracy"\n"r","finished","a","0","1"\n'
WORDS = (b"nan", b"inf", b"-1e999", b"relu", b'"', b"\0", b"\xff\xfe", b"\n", b",", b"\n\n", b"{")
OPTIONS = {
    "value": (None, "accuracy", "x"),
    "pick": (None, "last", "best", "mean", "min:val_loss"),
    "seed": (None, None, "seed", "epoch"),
    "level": (None, None, "method", "activation"),
    "run_name": (None, None, "{level}-{seed}"),
}


def truncated(raw, rng):
    return raw[: rng.integers(0, len(raw) + 1)]


def flipped(raw, rng):
    changed = bytearray(raw)
    for place in rng.integers(0, max(len(raw), 1), rng.integers(1, 9)):
        if raw:
            changed[place] = rng.integers(0, 256)
    return bytes(changed)


def with_words(raw, rng):
    place = rng.integers(0, len(raw) + 1)
    word = WORDS[rng.integers(len(WORDS))]
    return raw[:place] + word + raw[place + rng.integers(0, 4) :]


def zeroed(raw, rng):
    start = rng.integers(0, len(raw) + 1)
    length = rng.integers(0, 200)
    return raw[:start] + bytes(min(length, len(raw) - start)) + raw[start + length :]


def repeated(raw, rng):
    start = rng.integers(0, len(raw) + 1)
    return raw[:start] + raw[start // 2 : start] + raw[start:]


def of_bytes(raw, rng):
    return rng.bytes(rng.integers(0, 300))


DAMAGES = (truncated, flipped, with_words, zeroed, repeated, of_bytes)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Whole sources of every kind: the path that is read, and the files in it to be damaged."""
    folder = tmp_path_factory.mktemp("sources")
    texts = {"long.csv": LONG, "wide.csv": WIDE, "means.csv": MEANS}
    texts |= {"chart.csv": CHART, "table.csv": TABLE, "long.tsv": LONG.replace(",", "\t")}
    for name, text in texts.items():
        (folder / name).write_text(text)
    frame = pd.read_csv(folder / "long.csv")
    frame.to_parquet(folder / "long.parquet")
    frame.to_json(folder / "long.jsonl", orient="records", lines=True)
    frame.to_json(folder / "long.json", orient="records")
    shutil.copy(FILES / "benchopt.parquet", folder)
    for name in ("wandb", "mlruns", "trackio"):
        with zipfile.ZipFile(FILES / f"{name}.zip") as archive:
            archive.extractall(folder)
    make_results(folder / "own")
    if make_events(folder / "events"):
        assert readers.read(folder / "events").paired is None
    return folder


def make_results(folder):
    """Results of a study of our own, as few tables as are read."""
    tables = folder / "tables"
    tables.mkdir(parents=True)
    rows = []
    for level in ("relu", "gelu"):
        for seed in range(4):
            row = {"run_id": f"{level}{seed}", "task": "mlp", "group": "", "level": level}
            row |= {"activation": level, "seed": seed, "data": "x", "status": "completed"}
            row |= {"order_hash": "h", "precision": "fp32", "engine": "eager", "device": "cpu"}
            rows.append(row | {"reported_accuracy": 0.5 + seed / 100})
    pd.DataFrame(rows).to_csv(tables / "runs.csv", index=False)
    (tables / "plan.json").write_text(plan_of().to_json())


def make_events(folder):
    """Event files of four runs; False if tensorboard is not there."""
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        return False
    sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
    from torch.utils.tensorboard import SummaryWriter

    for name in ("relu-0", "relu-1", "gelu-0", "gelu-1"):
        with SummaryWriter(str(folder / name)) as writer:
            writer.add_scalar("accuracy", len(name), 0)
    return True


def judged(path, options):
    """What is made of a source before it is judged; the refusal in one line if it is refused."""
    try:
        scores = readers.read(path, options)
        if scores.summaries is not None:
            return checked_summaries(scores.summaries, str(path))
        return checked(scores.frame, str(path))
    except StudyError as fault:
        line = str(fault)
        assert "\n" not in line
        assert line.isprintable(), line
        return line


def test_damaged_sources_are_read_or_refused_in_one_line(sources):
    rng = np.random.default_rng(20261127)
    whole = sorted(sources.iterdir())
    assert len(whole) >= 14
    refused = 0
    for number in range(N_DAMAGED):
        path = whole[number % len(whole)]
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
        file = inside[rng.integers(len(inside))]
        raw = file.read_bytes()
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        file.write_bytes(damage(raw, rng))
        drawn = {name: values[rng.integers(len(values))] for name, values in OPTIONS.items()}
        refused += isinstance(judged(path, Options(**drawn)), str)
        file.write_bytes(raw)
    assert N_DAMAGED / 2 < refused < N_DAMAGED


def test_empty_files_and_folders_are_refused(sources, tmp_path):
    for original in sources.iterdir():
        if original.is_dir():
            continue
        path = tmp_path / original.name
        path.write_bytes(b"")
        refusal(lambda path=path: readers.read(path), str(path))
        path.unlink()
        path.mkdir()
        refusal(lambda path=path: readers.read(path), str(path))


def test_a_file_of_another_kind_is_refused(sources, tmp_path):
    for kind in readers.KINDS:
        for original in sorted(path for path in sources.iterdir() if path.is_file()):
            result = judged(original, Options(kind=kind))
            assert isinstance(result, str | pd.DataFrame)
    (tmp_path / "x.json").write_text(json.dumps([1, 2]))
    refusal(lambda: readers.read(tmp_path / "x.json"), "line 1: got int")
