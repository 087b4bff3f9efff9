"""What counts as the code of a run, and that edited code is a new run."""

import json
import shutil

import memory
import pandas as pd
import pytest
import shipped as tool
from refusals import refusal
from runs import ROOT, packed_spec, small, tiny

from actstudy.analysis.page import origins
from actstudy.commands import cli
from actstudy.contract import code, literals, registry, shipped, spec
from actstudy.contract.errors import StudyError
from actstudy.study import packs, planning

QUICK = """    "quick_gelu": Activation(QuickGELU, "x / (1 + exp(-1.702 * x))", "nobody"),
}

ALIASES"""
CLASS = '''class QuickGELU(nn.Module):
    """Ours."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(SLOPE * x)


SLOPE = 1.702
ACTIVATIONS: dict'''


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """Replaces text in a file of a copy of the package, which planning reads from then on."""
    package = tmp_path / "lib" / "actstudy"
    shutil.copytree(ROOT / "lib/actstudy", package, ignore=shutil.ignore_patterns("__pycache__"))
    for module in (registry, literals):
        monkeypatch.setattr(module, "PACKAGE", package)

    def replace(file, before, after):
        text = ""
        if (package / file).exists():
            text = (package / file).read_text()
        assert before in text
        (package / file).write_text(text.replace(before, after, 1))
        forget()

    forget()
    yield replace
    monkeypatch.undo()
    forget()


def forget():
    memory.forget(code._other_than_shipped, code.digest_of)


def test_the_table_is_of_what_is_shipped():
    assert tool.digests() == shipped.SHIPPED, (
        "a piece has changed: if no number of any run does, `python tests/shipped.py --write`; "
        "else undo it, or raise RECIPE, or the version of the data set"
    )


def test_what_is_shipped_has_no_code():
    assert tiny("gelu").code == {}
    assert tiny({"layers.0": "tanh", "*": "relu"}).code == {}
    assert packed_spec().code == {}


ACTIVATIONS = "nets/activations.py"
WITHOUT_MEANING = {
    "a comment": (ACTIVATIONS, "ACTIVATIONS: dict", "# a comment\nACTIVATIONS: dict"),
    "layout": (ACTIVATIONS, "nn.ReLU, ", "nn.ReLU,\n        "),
    "a formula": (ACTIVATIONS, '"maximum(x, 0)"', '"where(x > 0, x, 0)"'),
    "a paper": (ACTIVATIONS, '"Nair and Hinton 2010"', 'paper="Nair and Hinton"'),
    "another activation": (ACTIVATIONS, "partial(nn.GELU, approx", "partial(nn.Mish, approx"),
    "another's function": (ACTIVATIONS, "post.abs() > limit", "post.abs() >= limit"),
    "another policy": ("nets/initializers.py", "gain * matrix", "2 * gain * matrix"),
    "a docstring": ("nets/mlp.py", '"""(linear, norm', '"""Layers: (linear, norm'),
    "a task's margin": ("tasks/mlp.py", '"margin": 0.01', '"margin": 0.02'),
    "a task's defaults": ("tasks/mlp.py", '"width": 128', '"width": 64'),
    "another task": ("tasks/vision.py", "def build(", "def other(): ...\n\n\ndef build("),
    "the order of functions": (
        ACTIVATIONS,
        "class Sites",
        "def second_moment(): ...\n\n\nclass Sites",
    ),
}


@pytest.mark.parametrize("case", WITHOUT_MEANING)
def test_what_changes_no_number_is_no_new_run(edit, case):
    before = tiny("relu")
    edit(*WITHOUT_MEANING[case])
    assert tiny("relu") == before


EDITED = {
    "the factory": ((ACTIVATIONS, "nn.ReLU, ", "nn.ReLU6, "), "activation relu"),
    "an argument": (
        (ACTIVATIONS, '"Nair and Hinton 2010"', '"Nair", args={"a": 1}'),
        "activation relu",
    ),
    "an entry replaced below": (
        (ACTIVATIONS, "LEARNT = ", 'ACTIVATIONS["relu"] = ACTIVATIONS["tanh"]\nLEARNT = '),
        "activation relu",
    ),
    "an import": ((ACTIVATIONS, "from torch import Tensor, nn", "from mine import nn"), None),
    "a function of its policy": (
        ("nets/initializers.py", "rng.standard_normal(weight.shape) * std", "2 * std"),
        "init auto",
    ),
    "what a policy is given": (
        ("nets/initializers.py", "math.prod(self.shape[1:])", "self.shape[1]"),
        "init auto",
    ),
    "the model": (("nets/mlp.py", "self.layers(x.flatten(1))", "x.flatten(1)"), "nets/mlp.py"),
    "the loss": (
        ("tasks/classification.py", "cross_entropy(logits, y", "nll_loss(logits, y"),
        "tasks/classification.py",
    ),
    "the task": (
        ("tasks/mlp.py", '"higher_is_better": True', '"higher_is_better": False'),
        "tasks/mlp.py",
    ),
}


@pytest.mark.parametrize("case", EDITED)
def test_edited_code_is_a_new_run(edit, case):
    before = tiny("relu")
    change, piece = EDITED[case]
    edit(*change)
    after = tiny("relu")
    assert spec.run_id(after) != spec.run_id(before)
    if piece:
        assert list(after.code) == [piece]
    assert spec.from_json(spec.canonical(after)) == after


def own_activation(edit):
    edit(ACTIVATIONS, "ACTIVATIONS: dict", CLASS)
    edit(ACTIVATIONS, "}\n\nALIASES", QUICK)


def test_an_own_activation_is_a_new_run_when_it_is_mended(edit):
    relu = tiny("relu")
    own_activation(edit)
    ids = [spec.run_id(tiny("quick_gelu"))]
    assert list(tiny("quick_gelu").code) == ["activation quick_gelu"]
    for before, after in (("SLOPE * x", "-SLOPE * x"), ("SLOPE = 1.702", "SLOPE = 1.7")):
        edit(ACTIVATIONS, before, after)
        ids.append(spec.run_id(tiny("quick_gelu")))
    assert len(set(ids)) == 3
    assert "activation quick_gelu" in tiny({"layers.0": "quick_gelu", "*": "relu"}).code
    assert tiny("relu") == relu
    edit(ACTIVATIONS, "-SLOPE * x", "SLOPE * x")
    edit(ACTIVATIONS, "SLOPE = 1.7\n", "SLOPE = 1.702\n")
    assert spec.run_id(tiny("quick_gelu")) == ids[0]


def test_files_that_own_code_imports_count(edit):
    edit("nets/quick.py", "", "from actstudy.nets import slopes\n")
    edit("nets/slopes.py", "", "SLOPE = 1.702\n")
    edit(ACTIVATIONS, "import fnmatch", "import fnmatch\nfrom .quick import SLOPE")
    assert tiny("relu").code == {}
    edit(ACTIVATIONS, "nn.ReLU, ", "partial(nn.LeakyReLU, SLOPE), ")
    first = tiny("relu")
    assert list(first.code) == ["activation relu", "nets/quick.py", "nets/slopes.py"]
    edit("nets/slopes.py", "1.702", "1.7")
    assert spec.run_id(tiny("relu")) != spec.run_id(first)


def test_own_and_shipped_activations_share_a_pack(edit):
    own_activation(edit)
    assert packs.shared(packed_spec("quick_gelu")) == packs.shared(packed_spec("relu"))
    members = [packed_spec("quick_gelu"), packed_spec("relu")]
    assert packs.read(packs.to_json(members)) == members


def test_a_run_planned_for_other_code_is_refused(edit, capsys):
    run = packed_spec("relu")
    edit(*EDITED["the factory"][0])
    for flags in (
        ["train", "--spec", spec.canonical(run)],
        ["pack", "--members", packs.to_json([run])],
    ):
        with pytest.raises(SystemExit, match="2"):
            cli.main(flags)
        printed = capsys.readouterr().err
        assert "the code has changed since the run was planned: activation relu; to fix" in printed
        assert printed.count("\n") == 1
    code.check(packed_spec("relu"), "here")


def test_code_is_no_field_of_a_study(tmp_path):
    (tmp_path / "x.yaml").write_text("tasks: {mlp: {activation: relu, code: {a: b}}}\n")
    with pytest.raises(StudyError, match="code: unknown key"):
        planning.load(tmp_path / "x.yaml")


def test_the_page_names_code_that_is_not_as_shipped(edit, tmp_path):
    (tmp_path / "x.yaml").write_text("tasks: {mlp: {activation: quick_gelu}}\n")
    own_activation(edit)
    study = planning.load(tmp_path / "x.yaml")
    digest = study.code["activation quick_gelu"]
    assert len(digest) == code.DIGITS
    plan = study.plan()
    assert json.loads(plan.to_json())["code"] == study.code
    runs = pd.DataFrame({"task": [], "status": [], "reason": []})
    assert origins.sentences(plan, runs) == [
        f"activation quick_gelu: own or edited since shipped (code {digest})"
    ]


def test_of_equal_keys_the_last_one_counts(edit):
    before = code.digest_of("activation gelu")
    edit(
        "nets/activations.py",
        "}\n\nALIASES",
        '    "gelu": Activation(nn.Tanh, "x", "n"),\n}\n\nALIASES',
    )
    assert code.digest_of("activation gelu") != before


def test_a_name_with_a_space_has_a_hash(edit):
    edit(
        "nets/activations.py",
        "}\n\nALIASES",
        '    "my relu": Activation(nn.ReLU, "x", "n"),\n}\n\nALIASES',
    )
    assert code.of_run(tiny("my relu")) == {
        "activation my relu": code.digest_of("activation my relu")[:8]
    }


# Models that a study names


def test_an_edited_model_is_a_new_run_for_its_own_runs_alone(edit):
    names = ("resnet18", "resnet50", "mobilenetv2", "convnext_tiny")
    before = {name: small("vision", model=name) for name in names}
    edit("nets/resnet50.py", "EXPANSION = 4", "EXPANSION = 2")
    assert list(small("vision", model="resnet50").code) == ["nets/resnet50.py"]
    for name in ("resnet18", "mobilenetv2", "convnext_tiny"):
        assert small("vision", model=name) == before[name]
    edit("nets/drop_path.py", "return x * self.keep", "return x + self.keep")
    assert list(small("vision", model="convnext_tiny").code) == ["nets/drop_path.py"]
    assert small("vision") == before["resnet18"]
    edit("nets/convolution.py", "kernel // 2", "kernel // 3")
    assert list(small("vision").code) == ["nets/convolution.py"]
    assert list(small("vision", model="convnext_tiny").code) == ["nets/drop_path.py"]


def test_a_longer_list_of_models_changes_no_run(edit):
    before = small("vision")
    edit("tasks/vision.py", '"nets": ["resnet18", ', '"nets": ["resnet18", "mlp", ')
    edit("nets/mlp.py", "SITES = ", 'MODEL = {"title": "MLP", "fields": ["width"]}\nSITES = ')
    assert small("vision") == before


@pytest.mark.parametrize(
    ("file", "change", "parts"),
    [
        ("nets/resnet50.py", ('"fields"', '"field"'), ["MODEL: unknown key 'field'; did you mean"]),
        ("nets/resnet50.py", ('"width", ', '"widht", '), ["fields: got", "did you mean 'width'?"]),
        (
            "tasks/vision.py",
            ('"mobilenetv2",', '"mobilnetv2",'),
            ["vision.py: TASK: nets: got 'mobilnetv2'; did you mean 'mobilenetv2'?"],
        ),
        ("tasks/vision.py", ('"nets": ["resnet18", ', '"nets": ['), ["nets: got", "with that of"]),
    ],
)
def test_a_wrong_literal_is_one_line(edit, file, change, parts):
    edit(file, *change)
    names = {"model": "resnet50"} if file.startswith("nets/") else {}
    refusal(lambda: small("vision", **names), *parts)
