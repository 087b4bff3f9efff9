"""What the comparison of a cell refuses, and what is refused before a run starts it by hand."""

import dataclasses

import pytest
from runs import small

from actstudy.contract import frameworks, host, spec

SPEC = small("vision", "gelu", framework="keras-jax", batch_size=20)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """All frameworks count as installed."""
    monkeypatch.setattr(frameworks, "check_installed", lambda *_: None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (None, "--spec: not a spec as JSON"),
        ({"framework": "jax"}, "--spec: framework: did you mean 'keras-jax'? allowed: keras-jax, "),
        ({"framework": "torch"}, "--spec: framework: "),
        ({"task": "mlp"}, "--spec: framework: got 'keras-jax' for task mlp"),
        ({"optimizer": "rmsprop"}, "--spec: optimizer: got 'rmsprop' with keras-jax"),
        ({"dropout": 0.1}, "--spec: dropout: got 0.1 with keras-jax"),
    ],
)
def test_a_cell_that_keras_cannot_train_is_refused_in_one_line(refused, tmp_path, fields, message):
    text = "[]" if fields is None else spec.canonical(dataclasses.replace(SPEC, **fields))
    printed = refused("parity", "--spec", text, str(tmp_path / "cell.json"))
    assert message in printed
    assert len(printed.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--precision", "fp16"], "precision: got 'fp16' on cpu; allowed there: fp32, bf16"),
        (["--device", "cuda"], "device: got 'cuda', but there is no GPU"),
    ],
)
def test_a_device_that_is_not_there_is_said_before_anything_is_compared(
    refused, tmp_path, monkeypatch, prepared_folder, flags, message
):
    monkeypatch.setattr(host, "gpus", list)
    data = prepared_folder("fashion_mnist_tenth").parent
    of_run = ["--task", "vision", "--dataset", "fashion_mnist_tenth", "--activation", "relu"]
    of_run += ["--steps", "3", "--framework", "keras-jax", "--data_dir", str(data)]
    printed = refused("train", *of_run, *flags)
    assert message in printed
    assert "compared" not in printed
    assert not list(tmp_path.rglob("runs.parquet"))
