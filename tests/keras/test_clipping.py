"""The share that gradients of a norm keep is torch's, on each back end."""

import math

import numpy as np
import pytest
import torch
from keras import ops

from actstudy.frameworks import arithmetic
from actstudy.training import optim

NORMS = np.array([0, 0.5, 1, 10, np.nextafter(np.float32(10), np.float32(11)), 11], "float32")


@pytest.mark.parametrize("clip", [0.1, 1.0, 5.0, 10.0, "adaptive"])
def test_the_share_of_a_norm_is_that_of_torch(clip):
    norms = np.append(NORMS, np.array([math.inf, math.nan], "float32"))
    own = ops.convert_to_numpy(arithmetic.clip_share(ops.convert_to_tensor(norms), clip))
    right = optim.clip_share(torch.from_numpy(norms), clip).numpy()
    np.testing.assert_allclose(own, right, rtol=2e-7)
    assert np.nanmin(right[:-2]) < 1  # or nothing is clipped
