"""Mixed images: the papers' shares and boxes, losses by share, drawn from the seed alone."""

import numpy as np
import pytest
import torch
from runs import quiet, run, same_tables, small, stop_after

from actstudy.contract import spec as specs
from actstudy.contract.errors import StudyError
from actstudy.data import mix
from actstudy.study import checks
from actstudy.tasks import classification
from actstudy.training import outcome

KINDS = ["mixup", "cutmix"]
SIZE = (4, 20, 24)  # images, height, width


def drawn(kind, step=0, seed=0):
    return torch.from_numpy(mix.draws(kind, seed, step, *SIZE))


def images():
    """Each image of one value, its number in the batch."""
    n, height, width = SIZE
    return torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 3, height, width)


def test_mixup_adds_two_images_by_share():
    d = drawn("mixup", step=3)
    share = d[0, 0].item()
    assert 0 < share < 1
    y = mix.images(images(), d)
    for number, before in enumerate((3, 0, 1, 2)):
        expected = torch.full((3, *SIZE[1:]), share * number + (1 - share) * before)
        torch.testing.assert_close(y[number], expected)


def test_cutmix_pastes_a_box_and_its_share_is_the_area_that_is_left():
    for step in range(50):
        d = drawn("cutmix", step)
        y = mix.images(images(), d)
        assert set(y[2].unique().tolist()) <= {1.0, 2.0}  # image 2 or the one before it
        assert (y[2] == 2).float().mean().item() == pytest.approx(d[0, 0].item(), abs=1e-6)
        row, end_row, column, end_column = d[0, 2:].int().tolist()
        assert (y[2, :, row:end_row, column:end_column] == 1).all()


def test_shares_are_those_of_the_papers():
    """Beta(0.2, 0.2) has variance 0.25 / 1.4; a box that is cut off leaves more than a half."""
    of_mixup = np.array([drawn("mixup", step)[0, 0].item() for step in range(2000)])
    assert of_mixup.mean() == pytest.approx(0.5, abs=0.03)
    assert of_mixup.var() == pytest.approx(0.25 / 1.4, abs=0.01)
    of_cutmix = np.array([drawn("cutmix", step)[0, 0].item() for step in range(2000)])
    assert 0.55 < of_cutmix.mean() < 0.75
    assert of_cutmix.min() >= 0
    assert of_cutmix.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_mixed_targets(kind):
    d = drawn(kind, step=1)
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 3, 2, 4])
    one_hot = torch.nn.functional.one_hot(y, 5).float()
    share = d[0, 0]
    targets = share * one_hot + (1 - share) * one_hot.roll(1, 0)
    smooth = 0.9 * targets + 0.1 / 5
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    got = mix.loss(classification.loss, logits, y, d, 0.1)
    torch.testing.assert_close(got, expected)


def test_without_mixing_nothing_is_drawn_or_changed():
    d = drawn("none")
    x = images()
    assert d.shape == (4, 0)
    assert mix.images(x, d) is x
    assert mix.columns("none") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_a_function_of_seed_and_step(kind):
    assert mix.columns(kind) == drawn(kind).shape[1]
    assert torch.equal(drawn(kind), drawn(kind))
    assert not torch.equal(drawn(kind), drawn(kind, step=1))
    assert not torch.equal(drawn(kind), drawn(kind, seed=1))
    assert len(drawn(kind).unique(dim=0)) == 1  # one for the batch


@pytest.mark.parametrize("augment", ["none", "crop_flip"])
def test_a_mixed_run_resumes_to_the_same_bits(prepared_folder, tmp_path, augment):
    folder = prepared_folder("fashion_mnist_tenth")
    spec = small("vision", augment=augment, mix="cutmix")
    run(spec, tmp_path / "a", folder, quiet())
    with pytest.raises(outcome.Interrupted):
        run(spec, tmp_path / "b", folder, quiet(stopping=stop_after(3)))
    run(spec, tmp_path / "b", folder, quiet())
    assert same_tables(tmp_path / "a", tmp_path / "b")
    run(small("vision", augment=augment), tmp_path / "c", folder, quiet())
    assert not same_tables(tmp_path / "a", tmp_path / "c", names=("curves",))


def test_mixing_is_in_the_id_only_if_it_is_set():
    assert "mix" not in specs.canonical(small("vision"))
    assert '"mix":"cutmix"' in specs.canonical(small("vision", mix="cutmix"))


@pytest.mark.parametrize(
    ("task", "fields", "says"),
    [
        ("mlp", {}, "mix: set, but task mlp has no use for it"),
        ("contrastive", {}, "mix: set, but task contrastive has no use for it"),
        ("vision", {"framework": "keras-jax"}, "mix: got 'cutmix' with keras-jax; allowed: none"),
    ],
)
def test_runs_that_cannot_mix_are_refused(task, fields, says):
    with pytest.raises(StudyError, match=says):
        checks.check_spec(small(task, mix="cutmix", **fields), "here")
