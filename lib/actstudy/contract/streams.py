"""Random streams: pure functions of (seed, name, position), equal on every device and engine."""

import hashlib

import numpy as np


def _key(seed: int, name: str) -> np.ndarray:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)


def stream(seed: int, name: str, position: int = 0) -> np.random.Generator:
    """A generator for one name at one position of a seed (Philox 4x64, Salmon et al. 2011)."""
    return np.random.Generator(np.random.Philox(key=_key(seed, name), counter=[0, 0, 0, position]))


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order, int64 of shape (n,), in which an epoch visits the train split."""
    return stream(seed, "order", epoch).permutation(n)


def step_seed(seed: int, step: int) -> int:
    """The seed, below 2^63, that the device generator (dropout) gets before a step."""
    return int(stream(seed, "dropout", step).integers(2**63))


def order_hash(seed: int, n: int, epochs: int = 1) -> str:
    """16 hex digits of the order in which the first epochs visit a train split of n examples.

    By default of one epoch. It does not depend on batch size or number of steps, so runs that share
    it have the same batches only as far as these agree.
    """
    digest = hashlib.sha256()
    for epoch in range(epochs):
        digest.update(epoch_order(seed, epoch, n).astype("<i8").tobytes())
    return digest.hexdigest()[:16]
