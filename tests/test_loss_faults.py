"""The fault grid of contrastive losses: stable losses hold, their twins fail where predicted."""

import sys

import pytest
from runs import ROOT

from actstudy.losses import LOSSES, ContrastiveLoss
from actstudy.losses.unstable import TWINS

sys.path.append(str(ROOT / "benchmarks"))

from loss_faults import FAULTS, MAX_AT_ZERO, PRECISIONS, REFUSED, UNSTABLE, outcome

ALL = tuple(PRECISIONS)
FP16 = ("fp16 autocast", "fp16")  # in which 1e-10 is 0, as 1e-8 is
IN_FLOAT32 = ALL[1:]  # what is computed in float32, whose exp ends at 88.7
AT_ZERO = {"zero vector": ALL, "both zero": ALL, "norm 1e-10": FP16}
RUNAWAY = {"runaway scale": ALL, "runaway scale, antipodal": ALL}
OPPOSITE = {"antipodal": ALL, "runaway scale, antipodal": ALL}
OVERFLOW = {"runaway scale": IN_FLOAT32, "runaway scale, antipodal": IN_FLOAT32}
# Written before the first run of a twin. Case -> fault -> the precisions in which it fails.
PREDICTED = {
    "clip_without_eps": AT_ZERO,
    "siglip_without_eps": AT_ZERO,
    "einsum_without_eps": AT_ZERO,
    "norm_without_eps": AT_ZERO | OPPOSITE,  # m = 0
    "cosine_without_eps": AT_ZERO | OPPOSITE,  # the mean of the views is 0
    "cosine_mean_without_eps": AT_ZERO | OPPOSITE,
    "distance_without_eps": AT_ZERO | {"identical pair": ALL},  # a root of 0
    **{name: RUNAWAY for name in TWINS if name.endswith("without_clamp")},
    "clip_without_max": OVERFLOW,
    "siglip_without_max": {"runaway scale, antipodal": IN_FLOAT32},  # a right pair at -110
    "einsum_without_max": OVERFLOW,
    "norm_without_max": OVERFLOW,
    "cosine_without_max": OVERFLOW,
    "cosine_mean_without_max": OVERFLOW,
    "distance_without_max": {"runaway scale, antipodal": IN_FLOAT32},  # all logits below -99
    **{name: {} for name in TWINS if name.endswith("without_float32")},
    "clip, eps 1e-8": AT_ZERO,
    "clip_without_float32, eps 1e-8": AT_ZERO,
    "clip, clamp 50": {},
}
PREDICTED_FAULTS = [fault for fault in FAULTS if fault not in REFUSED]
SURPRISES: set[tuple[str, str, str]] = set()  # (case, precision, fault) predicted wrongly


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_a_stable_loss_is_finite_or_refuses_in_one_sentence(name, n):
    for precision in PRECISIONS:
        for fault in FAULTS:
            seen = outcome(ContrastiveLoss(name), precision, fault, n)
            expected = "refused" if fault in REFUSED else "ok"
            assert seen.kind == expected, (precision, fault, seen)
            assert "\n" not in seen.message
            if fault in ("zero vector", "both zero"):
                assert seen.gradient <= MAX_AT_ZERO


def test_a_prediction_is_there_for_every_twin():
    assert set(PREDICTED) == set(UNSTABLE)


def test_twins_fail_where_predicted():
    surprises = set()
    count = 0
    for name, case in UNSTABLE.items():
        for fault in PREDICTED_FAULTS:
            for precision in PRECISIONS:
                predicted = precision in PREDICTED[name].get(fault, ())
                count += 1
                if outcome(case.make(), precision, fault).fails != predicted:
                    surprises.add((name, precision, fault))
    assert surprises == SURPRISES
    assert len(surprises) <= 0.05 * count
    text = " ".join((ROOT / "docs/losses.md").read_text().split())
    assert f"{count - len(surprises):,} of {count:,} predictions came true" in text
