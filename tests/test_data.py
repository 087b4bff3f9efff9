"""Data sets: what they hold, that splits do not overlap, and that damage is named."""

import hashlib
import shutil

import numpy as np
import pytest
import torch

from actstudy.data import fashion_mnist_tenth, prepared
from actstudy.study import registry, store

COUNTS = {
    "mnist1d": {"train": 3500, "val": 500, "test": 1000},
    "fashion_mnist_tenth": {"train": 5000, "val": 1000, "test": 2000},
}


@pytest.fixture(scope="module", params=registry.datasets())
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    prepared.prepare(request.param, folder)
    return request.param, prepared.load(folder)


def test_counts_and_class_balance(made):
    name, data = made
    assert data.manifest["counts"] == COUNTS[name]
    for split, counts in data.manifest["class_counts"].items():
        share = np.array(counts) / data.n(split)
        assert np.abs(share - 1 / data.manifest["classes"]).max() < 0.02, split


def test_no_example_is_in_two_splits(made):
    _, data = made
    seen = [{hashlib.sha256(x.tobytes()).digest() for x in data.arrays[f"{split}_x"]} for split in prepared.SPLITS]
    assert len(set.union(*seen)) == sum(map(len, seen))


def test_inputs_are_standardised_by_the_train_split(made):
    _, data = made
    x, y = data.on(torch.device("cpu"), "train")
    assert x.mean().item() == pytest.approx(0, abs=1e-3)
    assert x.std().item() == pytest.approx(1, abs=1e-3)
    assert x.shape == (data.n("train"), *data.manifest["shape"])
    assert y.dtype == torch.int64


def test_preparing_twice_gives_the_same_bytes(made, tmp_path):
    name, data = made
    prepared.prepare(name, tmp_path)
    assert prepared.load(tmp_path).sha256 == data.sha256


def test_damaged_arrays_are_named(tmp_path):
    prepared.prepare("mnist1d", tmp_path)
    path = tmp_path / "val_y.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(store.Damaged, match=r"val_y\.npy is missing or does not have its checksum; to mend"):
        prepared.load(tmp_path)


def test_damaged_embedded_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "PACKAGE", tmp_path / "lib" / "actstudy")
    (tmp_path / "data/embedded").mkdir(parents=True)
    with pytest.raises(store.Damaged, match=r"data/embedded/fashion_mnist\.parquet is missing or damaged"):
        fashion_mnist_tenth.prepare()
    (tmp_path / "data/embedded/fashion_mnist.parquet").write_bytes(b"PAR1")
    with pytest.raises(store.Damaged, match="to mend: git checkout"):
        fashion_mnist_tenth.prepare()


def test_a_missing_class_is_refused(tmp_path, monkeypatch):
    x, y = np.zeros((4, 40), np.float32), np.zeros(4, np.int64)
    monkeypatch.setattr("actstudy.data.mnist1d.prepare", lambda: dict.fromkeys(prepared.SPLITS, (x, y)))
    with pytest.raises(ValueError, match="every class present"):
        prepared.prepare("mnist1d", tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    shutil.rmtree(tmp_path)
