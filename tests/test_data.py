"""Data sets: what they hold, that splits do not overlap, and that damage is named."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from actstudy.contract import checkout, errors, registry, spec, store
from actstudy.data import prepared
from actstudy.data.sets import fashion_mnist_tenth, sotu, sotu_eras, sotu_text

COUNTS = {
    "mnist1d": {"train": 3500, "val": 500, "test": 1000},
    "fashion_mnist_tenth": {"train": 5000, "val": 1000, "test": 2000},
    "sotu_eras-v400-t24": {"train": 50_000, "val": 4000, "test": 4000},
    "sotu_text-v400-t64": None,  # as many windows as the vocabulary needs
}


def test_every_data_set_is_tested():
    """All but official downloads (tests/test_official.py)."""
    embedded = {name for name in registry.datasets() if "files" not in registry.dataset(name)}
    assert {spec.data_parts(name)[0] for name in COUNTS} == embedded


@pytest.fixture(scope="module", params=COUNTS)
def made(request, prepared_folder):
    return request.param, prepared.load(prepared_folder(request.param))


@pytest.fixture
def short_texts(monkeypatch):
    """Data sets of text with one twentieth of their text."""
    whole = sotu.addresses()
    short = whole.assign(text=[text[: len(text) // 20] for text in whole["text"]])
    monkeypatch.setattr(sotu_text, "addresses", lambda: short)
    passages = {split: n // 20 for split, n in sotu_eras.PASSAGES.items()}
    monkeypatch.setattr(sotu_eras, "PASSAGES", passages)


def test_counts_and_class_balance(made):
    name, data = made
    assert data.manifest["counts"] == COUNTS[name] or COUNTS[name] is None
    assert registry.train_size(spec.data_parts(name)[0]) in (None, data.n("train"))
    for split, counts in data.manifest.get("class_counts", {}).items():
        share = np.array(counts) / data.n(split)
        assert np.abs(share - 1 / data.manifest["classes"]).max() < 0.02, split


def test_no_example_is_in_two_splits(made):
    """Images and signals byte by byte, passages and documents as text.

    Addresses are in tests/test_text.py.
    """
    dataset, _ = spec.data_parts(made[0])
    splits = importlib.import_module(f"actstudy.data.sets.{dataset}").prepare()
    examples = []
    for split in prepared.SPLITS:
        x = splits[split]["x"]
        examples.append({one if isinstance(one, str) else one.tobytes() for one in x})
    assert len(set.union(*examples)) == sum(map(len, examples))


def test_inputs_are_standardised_by_the_train_split(made):
    _, data = made
    arrays, inputs = data.on(torch.device("cpu"), "train"), data.inputs(torch.device("cpu"))
    x, y = inputs(arrays["x"]), arrays["y"]
    if x.is_floating_point():
        assert x.mean().item() == pytest.approx(0, abs=1e-3)
        assert x.std().item() == pytest.approx(1, abs=1e-3)
    else:
        assert x.dtype == torch.int32
        assert 0 <= x.min() <= x.max() < data.manifest["vocabulary"]
    assert x.shape == (data.n("train"), *data.manifest["shape"])
    assert y.dtype == torch.int64


@pytest.mark.parametrize("name", COUNTS)
def test_preparing_twice_gives_the_same_bytes(name, prepared_folder, short_texts, tmp_path):
    _, sizes = spec.data_parts(name)
    if sizes:  # the shared folder holds all of the text
        first = tmp_path / "first"
        prepared.prepare(name, first)
    else:
        first = prepared_folder(name)
    prepared.prepare(name, tmp_path / "second")
    assert prepared.load(first).sha256 == prepared.load(tmp_path / "second").sha256


@pytest.fixture
def copy(data_folder, tmp_path):
    """A copy of the prepared data set mnist1d, to be damaged."""
    return Path(shutil.copytree(data_folder, tmp_path / "copy"))


def test_data_of_another_version_are_refused(copy):
    path = copy / "manifest.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 0'))
    with pytest.raises(
        store.Damaged,
        match=r"manifest\.json is of version 0, the data set's file of 1; to fix: rm -r",
    ):
        prepared.load(copy)


def test_damaged_arrays_are_named(copy):
    path = copy / "val_y.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(
        store.Damaged, match=r"val_y\.npy is missing or does not have its checksum; to fix"
    ):
        prepared.load(copy)


def test_damaged_embedded_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    (tmp_path / "data/embedded").mkdir(parents=True)
    with pytest.raises(
        store.Damaged, match=r"data/embedded/fashion_mnist\.parquet is missing or damaged"
    ):
        fashion_mnist_tenth.prepare()
    (tmp_path / "data/embedded/fashion_mnist.parquet").write_bytes(b"PAR1")
    with pytest.raises(store.Damaged, match="to fix: git checkout"):
        fashion_mnist_tenth.prepare()


def test_a_missing_class_is_refused(tmp_path, monkeypatch):
    x, y = np.zeros((4, 40), np.float32), np.zeros(4, np.int64)
    monkeypatch.setattr(
        "actstudy.data.sets.mnist1d.prepare",
        lambda: {split: {"x": x, "y": y} for split in prepared.SPLITS},
    )
    with pytest.raises(ValueError, match="every class of 10 present"):
        prepared.prepare("mnist1d", tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("x", "y"),
    [((4, 39), [0, 1, 2, 3]), ((4, 40), [0, 1, 2]), ((20, 40), [*range(10), *range(10, 20)])],
    ids=["another shape", "labels missing", "a class too many"],
)
def test_what_a_data_set_does_not_declare_is_refused(tmp_path, monkeypatch, x, y):
    made = {"x": np.zeros(x, np.float32), "y": np.array(y)}
    monkeypatch.setattr(
        "actstudy.data.sets.mnist1d.prepare", lambda: dict.fromkeys(prepared.SPLITS, made)
    )
    with pytest.raises(
        errors.StudyError, match=r"mnist1d: split train: got x \(.*allowed: finite x of shape"
    ):
        prepared.prepare("mnist1d", tmp_path)
