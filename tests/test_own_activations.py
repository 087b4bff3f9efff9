"""Someone's own activation by its import path: planned, checked, trained and shown like any."""

import json
import random
import subprocess
import sys
from types import ModuleType

import memory
import numpy as np
import own_acts
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from commands import command as forked_command
from refusals import refusal
from runs import packed_spec, quiet, run, run_row, tiny, train_together

from actstudy.analysis.page import origins
from actstudy.commands import cli
from actstudy.commands import inspection as command
from actstudy.contract import certificates, code, own, own_code, spec, store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan
from actstudy.experiments import boundaries
from actstudy.nets import activations, elementwise, own_contract
from actstudy.study import certified, inspection, jobs, packs, planning
from actstudy.training import wiring

PROCESS = inspection._process
PATH = list(sys.path)
TASK = {"depth": 2, "width": 16, "epochs": 1, "engine": "eager", "pack_width": 1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A new user's folder with the module acts.py, in which the process works.

    What the inspection asks is answered in this process, as a new one takes two seconds to begin.
    """
    monkeypatch.setattr(inspection, "_process", in_this_process)
    (tmp_path / "acts.py").write_text(own_acts.module())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    monkeypatch.setattr(inspection, "_answers", {})
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    forget()
    yield tmp_path
    forget()


def in_this_process(request, _where):
    """What `actstudy inspect` would print for a request."""
    lines = [command._line(question) for question in json.loads(request)["questions"]]
    return subprocess.CompletedProcess([], 0, "\n".join(map(json.dumps, lines)), "")


@pytest.fixture
def process(folder, monkeypatch):
    """The folder, with an inspection in a process of its own."""
    monkeypatch.setattr(inspection, "_process", PROCESS)
    return folder


@pytest.fixture
def fork(folder, monkeypatch):
    """The folder, with an inspection in a forked child, which may end as a new process may."""
    monkeypatch.setattr(
        inspection, "_process", lambda request, _: forked_command(folder, "inspect", stdin=request)
    )
    return folder


def forget():
    """Nothing of somebody's own modules is remembered, whichever test has written them."""
    memory.forget(own._find, own._tree, own_code._digest, activations.entry)
    sys.path[:] = PATH
    memory.forget_own_modules()


def write_study(folder, names, name="mine", **settings):
    """A study of one small task with some activations; returns its file."""
    content = {"axes": {"activation": names}, "tasks": {"mlp": {**TASK, "seeds": 1}}, **settings}
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


@pytest.fixture
def processes(monkeypatch):
    """The questions of each process that was started, instead of whether one was."""
    started = []
    ask = inspection._ask

    def counted(questions, where):
        started.append([question["path"] for question in questions])
        return ask(questions, where)

    monkeypatch.setattr(inspection, "_ask", counted)
    return started


# The contract


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_every_registered_activation_keeps_the_contract(name):
    answer = own_contract.examine(name, {})
    learns = name in activations.LEARNT
    acts_alone = name not in activations.RANDOM  # what is drawn is another for another value
    assert answer == {"learns": learns, "keeps": False, "elementwise": acts_alone}


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("Squash", {"elementwise"}),
        ("bump", {"elementwise"}),
        ("steep", {"elementwise"}),
        ("Learnt", {"learns", "elementwise"}),
        ("Normed", set()),
        ("Noisy", set()),
        ("Running", {"keeps"}),
        ("by_rows", set()),
        ("by_columns", set()),
        ("by_axes", set()),
        ("by_stack", set()),
        ("by_size", set()),
        ("shares", set()),
        ("gated", set()),
        ("FarNoise", set()),
        ("Counts", {"keeps", "elementwise"}),
        ("CountsLong", {"keeps", "elementwise"}),
        ("Drawn", {"keeps", "elementwise"}),
        ("DrawnFar", {"keeps", "elementwise"}),
        ("DrawnByNumpy", {"keeps", "elementwise"}),
        ("Buffered", {"keeps", "elementwise"}),
    ],
)
def test_what_an_own_activation_does_is_seen(folder, name, answers):
    answer = own_contract.examine(f"acts:{name}", {})
    assert {key for key, holds in answer.items() if holds} == answers


def test_what_is_looked_at_moves_no_random_number(folder):
    states = []
    for look in (False, True):
        with elementwise.seeded(5):
            if look:
                for name in ("Drawn", "DrawnByNumpy", "Noisy"):
                    own_contract.check_gain(f"acts:{name}", {})
            states.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert states[0] == states[1]


@pytest.mark.parametrize("name", own_acts.BAD)
def test_what_cannot_be_trained_is_refused_in_one_line(folder, name):
    question = {"kind": "activation", "path": f"acts:{name}", "args": {}, "init": "auto"}
    line = command._line(question)["fault"]
    assert line.startswith(f"acts:{name}: ")
    assert "\n" not in line
    assert "Traceback" not in line
    for part in own_acts.BAD[name][1]:
        assert part in line


def test_an_activation_may_be_in_folders_of_folders_without_init(folder, monkeypatch):
    deep = folder / "mine/of_this/year"
    deep.mkdir(parents=True)
    (deep / "other.py").write_text("import torch\n\n\ndef act(x):\n    return x.tanh()\n")
    path = "mine.of_this.year.other:act"
    monkeypatch.setitem(sys.modules, "mine", ModuleType("mine"))
    assert own.find(path).module == "mine.of_this.year.other"
    del sys.modules["mine"]
    assert own.find(path).module == "mine.of_this.year.other"
    assert own_contract.examine(path, {})["elementwise"]
    with pytest.raises(StudyError, match=r"no module mine\.of_that\.other in "):
        own.find("mine.of_that.other:act")


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ("assert x.dim() < 4", "a module that takes any shape"),
        ("assert x.abs().max() < 10", "a module that takes every x from -12 to 12"),
        ("return torch.from_numpy(x.numpy())", "torch functions of an x that has a gradient: no"),
        ("return x @ torch.eye(x.shape[-1])", "a module that takes any dtype"),
        ("raise ValueError", "a module that takes one tensor"),
    ],
)
def test_what_is_allowed_follows_from_what_an_activation_takes(folder, body, allowed):
    text = f"import torch\n\n\ndef act(x):\n    {body}\n    return x\n"
    (folder / "other.py").write_text(text)
    line = refusal(lambda: own_contract.examine("other:act", {}), f"; allowed: {allowed}")
    assert "values from -12 to 12; allowed: " in line


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("acts:Squish", ["acts.py has no 'Squish'; did you mean 'Squash'? allowed: Squash, "]),
        ("acts.Squash", ["unknown activation; did you mean 'acts:Squash'? allowed: "]),
        ("acts.py:Squash", ["no module acts.py in ", "did you mean 'acts'?"]),
        ("act:Squash", ["no module act in", "did you mean 'acts'?"]),
        ("acts:", ["got 'acts:'; allowed: an import path MODULE:NAME"]),
        ("a b:Squash", ["got 'a b:Squash'; allowed: "]),
        (
            "my-acts:Bump",
            ["got 'my-acts:Bump': a module's name has no hyphen; to fix: rename my-acts.py to my_"],
        ),
        (
            "torch:relu",
            ["the source of torch does not show 'relu'; did you mean 'torch.nn.functional:relu'?"],
        ),
        (
            "torch:sin",
            ["does not show 'sin'; allowed: ", "to fix: def sin(x): return torch.sin(x) in your"],
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_without_a_process(folder, processes, path, parts):
    refusal(lambda: planning.load(write_study(folder, ["relu", path])), "axes.activation", *parts)
    assert not processes


def test_a_name_that_is_suggested_for_one_of_torch_is_allowed(folder):
    line = refusal(lambda: own.find("torch:relu"), "did you mean")
    assert len(line) < 300
    assert own.find("torch.nn.functional:relu").statements
    answer = own_contract.examine("torch.nn.functional:relu", {})
    assert answer == {"learns": False, "keeps": False, "elementwise": True}


def test_a_module_that_is_no_python_is_refused(folder):
    (folder / "other.py").write_text("x = 1\ndef f(:\n")
    file = write_study(folder, ["other:f"])
    refusal(lambda: planning.load(file), "other.py: line 2: ")


# Planning


def test_a_study_with_own_activations_asks_one_process_once(process, processes, monkeypatch):
    folder = process
    hybrid = {"layers.0": "acts:bump", "*": "relu"}
    file = write_study(folder, ["relu", "acts:Squash", hybrid])
    study = planning.load(file)
    assert processes == [["acts:Squash", "acts:bump"]]
    assert study.plan().levels == ["relu", "Squash", "layers.0:bump,*:relu"]
    assert [run.id.split("-")[0] for run in study.possible] == ["relu", "Squash", "hybrid"]
    assert planning.load(file).plan() == study.plan()
    monkeypatch.setattr(inspection, "_answers", {})  # as in another process
    planning.load(file)
    assert len(processes) == 1
    remembered = sorted((folder / "results/own").iterdir())
    assert len(remembered) == 2
    (folder / "acts.py").write_text(own_acts.module().replace("1 + x.abs()", "2 + x.abs()"))
    forget()
    (folder / "acts.py").write_text(f"# for the paper\n{(folder / 'acts.py').read_text()}")
    edited = planning.load(file)
    assert processes[1:] == [["acts:Squash"]]
    old = {run.level: run.id for run in study.possible}
    new = {run.level: run.id for run in edited.possible}
    assert {level for level in old if old[level] != new[level]} == {"Squash"}


def test_nothing_of_a_fault_is_remembered(folder, processes):
    file = write_study(folder, ["relu", "acts:Squash", "acts:doubles"])
    for _ in range(2):
        refusal(
            lambda: planning.load(file),
            f"{file}: activation: acts:doubles: returns torch.float64",
        )
        assert not (folder / "results").exists()
    assert len(processes) == 2
    bad, _ = own_acts.BAD["doubles"]
    text = own_acts.module().replace(bad, bad.replace("x.double()", "torch.relu(x)"))
    (folder / "acts.py").write_text(text)
    forget()
    assert planning.load(file).plan().levels == ["relu", "Squash", "doubles"]


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("import os\nos._exit(0)", ["ended with status 0"]),
        (
            "import os\nprint('so long', flush=True)\nos.kill(os.getpid(), 9)",
            ["ended with status -9: so long"],
        ),
        ("import nowhere", ["line 1: ModuleNotFoundError: No module named 'nowhere'"]),
        ("input()", ["line 1: EOFError"]),
    ],
)
def test_a_module_that_ends_the_process_is_named(fork, body, parts):
    folder = fork
    (folder / "other.py").write_text(f"{body}\nimport torch\nact = torch.relu\n")
    file = write_study(folder, ["relu", "other:act"])
    refusal(lambda: planning.load(file), f"{file}: activation: other:act: ", *parts)
    assert not (folder / "results").exists()


def test_what_own_code_prints_is_no_answer(fork):
    folder = fork
    text = "import torch\nprint('{}')\ndef act(x):\n    print('called')\n    return torch.relu(x)\n"
    (folder / "other.py").write_text(text)
    assert planning.load(write_study(folder, ["relu", "other:act"])).plan().levels[1] == "act"


def test_a_folder_that_cannot_be_written_is_no_fault(folder, processes, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "results/own")

    monkeypatch.setattr(store, "write_json", refuse)
    for _ in range(2):
        assert len(planning.load(write_study(folder, ["relu", "acts:Squash"])).possible) == 2
    assert len(processes) == 1


def test_a_module_beside_the_study_file_is_preferred(folder):
    (folder / "studies").mkdir()
    (folder / "studies/acts.py").write_text("import torch\ndef Squash(x):\n    return x.tanh()\n")
    study = planning.load(write_study(folder / "studies", ["relu", "acts:Squash"]))
    assert own.find("acts:Squash").file == folder / "studies/acts.py"
    assert jobs.modules_flag(study) == ["--modules", str(folder / "studies")]
    settings = {"gpus": 0, "gpu_limit": None, "local": True, "config": {}}
    assert f"--modules {folder}/studies" in jobs.plan_jobs(study, **settings).host_flags
    plain = planning.load(write_study(folder / "studies", ["relu", "tanh"]))
    assert "--modules" not in jobs.plan_jobs(plain, **settings).host_flags


# Labels


def test_short_names_that_two_things_have_are_written_out(folder):
    (folder / "other.py").write_text("import torch\ndef Squash(x):\n    return x.tanh()\n")
    names = ["relu", "acts:Squash", "other:Squash", "acts:relu", "acts:bump"]
    hybrid = {"layers.0": "other:Squash", "*": "acts:bump"}
    study = planning.load(write_study(folder, [*names, hybrid]))
    assert study.plan().levels == [
        "relu",
        "acts:Squash",
        "other:Squash",
        "acts:relu",
        "bump",
        "layers.0:other:Squash,*:bump",
    ]
    assert study.tasks["mlp"].baseline == "relu"


def test_a_name_of_a_registered_one_is_never_its_own(folder):
    """The study has no registered relu: `relu` on its page would be taken for it all the same."""
    study = planning.load(write_study(folder, ["acts:relu", "tanh"]))
    assert study.plan().levels == ["acts:relu", "tanh"]


@pytest.mark.parametrize("stated", ["acts:Squash", "Squash"])
def test_the_baseline_may_be_a_path_or_its_label(folder, stated):
    study = planning.load(write_study(folder, ["relu", "acts:Squash"], baseline=stated))
    assert study.tasks["mlp"].baseline == "Squash"


def test_other_axes_and_what_an_entry_sets_have_short_names(folder):
    file = write_study(folder, ["acts:Squash", {"activation": "acts:bump", "lr": 0.01}])
    assert planning.load(file).plan().levels == ["Squash", "bump (lr=0.01)"]
    entries = [{"lr": 0.2, "activation": "relu"}, {"lr": 0.1, "activation": "acts:steep"}]
    settings = {"compare": "lr", "defaults": {"activation": "relu"}, "axes": {"lr": entries}}
    levels = planning.load(write_study(folder, [], **settings)).plan().levels
    assert levels == ["0.2 (activation=relu)", "0.1 (activation=steep)"]


def test_arguments_are_those_with_numbers_for_defaults(folder):
    entry = {"activation": "acts:bump", "activation_args": {"height": 2.0}}
    study = planning.load(write_study(folder, ["acts:bump", entry]))
    assert [run.spec.activation_args for run in study.possible] == [{}, {"height": 2.0}]
    module = activations.Sites("acts:bump", {"height": 2.0})("layers.0")
    torch.testing.assert_close(module(torch.ones(1)), torch.full((1,), 2 * 2.718281828**-0.5))
    entry["activation_args"] = {"heigth": 2.0}
    refusal(
        lambda: planning.load(write_study(folder, ["acts:bump", entry])),
        "activation_args: got 'heigth'; did you mean 'height'?",
    )


# Packs


PACK = {"engine": "pack", "pack_width": 2, "dropout": 0.0}


def test_an_activation_of_each_value_joins_a_pack(folder):
    names = ["relu", "acts:bump", "acts:Squash"]
    study = planning.load(write_study(folder, names, defaults=PACK, tasks={"mlp": {"epochs": 1}}))
    assert [len(members) for members in packs.packs(study.possible).values()] == [2, 1]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Learnt", "which has weights"),
        ("Normed", "which is no function of each value"),
        ("Noisy", "which is no function of each value"),
        ("Running", "which is no function of each value"),
        ("by_rows", "which is no function of each value"),
        ("FarNoise", "which is no function of each value"),
        ("Counts", "whose instances differ by seed, keep buffers or change in calls"),
        ("Drawn", "whose instances differ by seed"),
        ("DrawnByNumpy", "whose instances differ by seed"),
        ("Buffered", "whose instances differ by seed"),
    ],
)
def test_other_activations_are_refused_in_a_pack(folder, name, part):
    settings = {**PACK, "init": "he_normal"}
    file = write_study(folder, [f"acts:{name}"], defaults=settings, tasks={"mlp": {"epochs": 1}})
    refusal(lambda: planning.load(file), f"got 'acts:{name}' with engine pack, {part}", "eager")


def test_own_functions_are_not_confused_in_a_pack(folder, data):
    """Modules of own functions and arguments look alike; each run has its own all the same."""
    members = [
        packed_spec("acts:bump", pack_width=4),
        packed_spec("acts:bump", pack_width=4, activation_args={"height": 3.0}),
        packed_spec("acts:relu", pack_width=4),
        packed_spec("acts:Squash", pack_width=4, activation_args={"alpha": 2.0}),
    ]
    together = train_together(members, folder / "together", data.folder)
    for path, member in zip(together, members, strict=True):
        (alone,) = train_together([member], folder / f"alone-{path.name}", data.folder)
        assert run_row(path)["reported_loss"] == run_row(alone)["reported_loss"]
    assert len({run_row(path)["reported_loss"] for path in together}) == len(members)


# Training


def test_the_same_function_has_the_same_bits_as_the_registered_one(folder, data):
    for name in ("relu", "acts:relu"):
        task = tiny(name, epochs=1)
        path = folder / name.replace(":", "-")
        (done,) = train_together([task], path, data.folder)
        assert run_row(done)["activation"] == name
    rows = [run_row(path) for path in sorted(folder.glob("*relu/relu-*"))]
    assert len(rows) == 2
    assert rows[0]["reported_loss"] == rows[1]["reported_loss"]


def test_train_takes_a_path_and_a_folder_of_modules(folder, data, monkeypatch, capsys):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    flags = ["--task", "mlp", "--activation", "acts:bump", "--steps", "4", "--width", "16"]
    flags += ["--engine", "eager", "--pack_width", "1", "--data_dir", str(data.folder.parent)]
    command_line = ["train", *flags, "--log_dir", "runs", "--quiet", "--device", "cpu"]
    with pytest.raises(SystemExit, match="2"):
        cli.main(command_line)
    assert "no module acts in " in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        cli.main([*command_line, "--modules", str(folder)])
    assert len(list((folder / "elsewhere/runs").glob("bump-s0-*/runs.parquet"))) == 1
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        cli.main([*command_line, "--modules", "nowhere"])
    assert "--modules: got 'nowhere'; allowed: a folder" in capsys.readouterr().err


def test_a_job_of_the_workflow_finds_the_module_or_says_how(folder, data, capsys, monkeypatch):
    run = planning.run_spec("mlp", 0, {**TASK, "activation": "acts:bump", "epochs": 1})
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    forget()
    flags = ["--spec", spec.canonical(run), "--data_dir", str(data.folder.parent), "--quiet"]
    flags += ["--device", "cpu", "--log_dir", "runs"]
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", *flags])
    printed = capsys.readouterr().err
    assert "--spec: acts:bump: no module acts in" in printed
    assert "to fix: --modules FOLDER, where the module is" in printed
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", *flags, "--modules", str(folder)])


def test_doctor_counts_over_the_train_split_of_an_own_activation(folder, data, capsys, monkeypatch):
    (done,) = train_together([tiny("acts:relu", epochs=1)], folder / "runs", data.folder)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    forget()
    flags = ["doctor", str(done), "--train_split", "--data_dir", str(data.folder.parent)]
    with pytest.raises(SystemExit, match="2"):
        cli.main(flags)
    printed = capsys.readouterr().err
    assert f"doctor: {done}: acts:relu: no module acts in" in printed
    assert "to fix: --modules FOLDER" in printed
    with pytest.raises(SystemExit, match=r"[0-3]"):
        cli.main([*flags, "--modules", str(folder)])
    assert "dead (zero for all " in capsys.readouterr().out


def test_a_run_whose_function_was_edited_is_refused_by_its_job(folder, capsys):
    run = planning.run_spec("mlp", 0, {**TASK, "activation": "acts:bump", "epochs": 1})
    (folder / "acts.py").write_text(own_acts.module().replace("-x * x / 2", "-x * x / 3"))
    forget()
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", "--spec", spec.canonical(run)])
    assert "the code has changed since the run was planned: activation acts:bump" in (
        capsys.readouterr().err
    )


def test_initialisation_uses_the_gain_of_an_own_activation(folder, data):
    """`init: auto` draws wider weights after a function that shrinks its input."""
    model, _ = wiring.make_model(tiny("acts:bump"), data)
    plain, _ = wiring.make_model(tiny("relu"), data)
    gains = [activations.gain(activations.entry(name).factory()) for name in ("acts:bump", "relu")]
    ratio = model.head.weight.std() / plain.head.weight.std()
    assert ratio.item() == pytest.approx(gains[0] / gains[1], rel=1e-4)


def test_toy_problems_outlive_an_activation_that_fails_late(folder, monkeypatch, capsys):
    (folder / "late.py").write_text(
        "calls = []\n\ndef late(x):\n    calls.append(1)\n    assert len(calls) < 9\n    return x\n"
    )
    monkeypatch.setattr(boundaries, "STEPS", 2)
    boundaries.write(["relu", "late:late"], folder / "toys.parquet")
    toys = pq.read_table(folder / "toys.parquet").to_pandas()
    is_nan = toys["probability"].isna().groupby(toys["activation"]).all()
    assert is_nan.to_dict() == {"relu": False, "late": True}
    assert toys.groupby("activation")["failed"].all().to_dict() == {"relu": False, "late": True}
    assert "boundaries: late:late: " in capsys.readouterr().err
    monkeypatch.setattr(boundaries, "learn", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # of the project's own, a fault is a fault
        boundaries.write(["relu"], folder / "toys.parquet")


TIRED = """from torch import nn


class Tired(nn.Tanh):
    n_calls = 0

    def forward(self, x):
        self.n_calls += 1
        if self.n_calls > 60:
            raise ValueError("I am tired")
        return super().forward(x)
"""


def test_a_run_that_own_code_breaks_says_where(folder, data_folder, capsys):
    (folder / "tired.py").write_text(TIRED)
    fields = {"epochs": 3, "batch_size": 10}
    assert run(tiny("tired:Tired", **fields), folder / "a", data_folder, quiet()) == "failed"
    reason = "tired.py: line 10: ValueError: I am tired"
    assert run_row(folder / "a")["reason"] == reason
    with pytest.raises(SystemExit, match="3"):
        cli.main(["doctor", "a"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"no finding explains that the run ended as failed: {reason}"


MIXING = ("by_rows", "by_axes", "shares", "gated", "Normed", "Running")


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_values_has_no_gain_and_is_refused_at_planning(folder, name):
    """Any other init takes it: planned without a fault, the model made."""
    refusal(
        lambda: planning.load(write_study(folder, ["relu", f"acts:{name}"])),
        f"activation: acts:{name}: init: got auto, but its output depends on more than each value",
        "allowed: another init, such as he_normal",
    )
    file = write_study(folder, ["relu", f"acts:{name}"], defaults={"init": "he_normal"})
    assert len(planning.load(file).possible) == 2


def test_a_model_is_refused_the_same_gain_and_made_with_another_init(folder, data):
    refusal(lambda: wiring.make_model(tiny("acts:gated"), data), "acts:gated: init: got auto")
    model, _ = wiring.make_model(tiny("acts:gated", init="he_normal"), data)
    assert model.head.weight.std() > 0


@pytest.mark.parametrize("name", ["bump", "Noisy", "Counts", "Drawn", "Buffered", "Learnt"])
def test_what_acts_on_each_value_keeps_its_gain(folder, name):
    """Noise in training too: its mean square is a gain all the same."""
    assert len(planning.load(write_study(folder, ["relu", f"acts:{name}"])).possible) == 2


def test_an_activation_of_which_nothing_comes_has_no_gain(folder):
    study = write_study(folder, ["relu", "acts:nothing"])
    refusal(lambda: planning.load(study), "acts:nothing: init: got auto, but its gain", "is inf")


def test_toy_problems_leave_out_what_has_no_gain(folder, monkeypatch, capsys):
    """They are initialised by `auto`; a study with another init gets its page all the same."""
    monkeypatch.setattr(boundaries, "STEPS", 2)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["boundaries", "toys.parquet", "relu", "acts:shares"])
    assert "acts:shares: init: got auto, but" in capsys.readouterr().err


def test_toy_problems_are_learnt_with_it(folder, monkeypatch):
    monkeypatch.setattr(boundaries, "STEPS", 2)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["boundaries", "toys.parquet", "relu", "acts:bump", "acts:relu"])
    names = pq.read_table("toys.parquet")["activation"].unique().to_pylist()
    assert names == ["relu", "bump", "acts:relu"]


def test_toy_problems_of_an_unknown_name_are_refused(folder, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["boundaries", "toys.parquet", "rleu"])
    assert "boundaries: got 'rleu': unknown activation; did you mean 'relu'?" in (
        capsys.readouterr().err
    )


# What pages say


def test_pages_name_own_code_and_what_is_not_certified(folder):
    study = planning.load(write_study(folder, ["relu", "acts:Squash"]))
    digest = own_code.digest("acts:Squash")
    assert study.code == {"activation acts:Squash": digest[: code.DIGITS]}
    named = f"activation Squash: own code {digest[: code.DIGITS]}"
    assert origins.sentences(study.plan(), no_runs()) == [
        named,
        "Squash is not certified: python -m actstudy certify acts:Squash",
    ]
    note = {"activation": "acts:Squash", **certificates.scope({})}
    note["outcome"] = certificates.FINDINGS
    store.write_json(certificates.FOLDER / f"Squash-{digest}.json", note)
    assert origins.sentences(study.plan(), no_runs()) == [
        named,
        "the certificate of Squash has findings: results/certificates/Squash-*.md",
    ]
    note["outcome"] = certificates.CERTIFIED
    store.write_json(certificates.FOLDER / f"Squash-{digest}.json", note)
    assert origins.sentences(study.plan(), no_runs()) == [named]


def test_a_certificate_of_other_arguments_or_versions_certifies_nothing(folder):
    entries = ["acts:bump", {"activation": "acts:bump", "activation_args": {"height": 2.0}}]
    study = planning.load(write_study(folder, entries))
    assert study.arguments == study.plan().arguments == {"acts:bump": [{}, {"height": 2.0}]}
    assert Plan.from_json(study.plan().to_json()) == study.plan()

    def sentences():
        return certified.sentences(study.code, study.file, study.arguments)

    command_line = "python -m actstudy certify acts:bump"
    with_args = f"{command_line} --args '{{height: 2.0}}'"
    assert sentences() == [
        f"bump is not certified: {command_line}",
        f"bump with {{height: 2.0}} is not certified: {with_args}",
    ]
    note = {"activation": "acts:bump", "outcome": certificates.CERTIFIED}
    store.write_json(certificates.file_of("acts:bump"), note | certificates.scope({}))
    fault = "bump with {height: 2.0} is certified for other arguments only"
    assert sentences() == [f"{fault}: {with_args}"]
    args = {"height": 2.0}
    assert certificates.file_of("acts:bump", args) != certificates.file_of("acts:bump")
    store.write_json(certificates.file_of("acts:bump", args), note | certificates.scope(args))
    assert sentences() == []
    args_only = note | certificates.scope(args) | {"torch": "1.0.0"}
    store.write_json(certificates.file_of("acts:bump", args), args_only)
    fault = "bump with {height: 2.0} is certified for torch 1.0.0 only"
    assert sentences() == [f"{fault}: {with_args}"]
    store.write_json(certificates.file_of("acts:bump", args), note | certificates.scope(args))
    older = note | certificates.scope({}) | {"checks_version": certificates.CHECKS - 1}
    store.write_json(certificates.file_of("acts:bump"), older | {"torch": "1.0.0"})
    fault = "bump is certified for torch 1.0.0 and by other checks only"
    assert sentences() == [f"{fault}: {command_line}"]


def test_a_plan_without_arguments_of_own_activations_has_the_bytes_it_had(folder):
    plan = planning.load(write_study(folder, ["relu", "acts:Squash"])).plan()
    assert "arguments" not in json.loads(plan.to_json())
    defaults = {"activation": "acts:Squash", "activation_args": {"alpha": 1.0}}
    assert planning.load(write_study(folder, ["relu", defaults])).plan().arguments == {}


def no_runs():
    import pandas as pd

    return pd.DataFrame({"task": [], "status": [], "reason": []})


def test_the_command_to_certify_names_a_folder_beside_the_present_one(folder):
    (folder / "studies").mkdir()
    (folder / "studies/other.py").write_text("import torch\ndef act(x):\n    return x.tanh()\n")
    study = planning.load(write_study(folder / "studies", ["relu", "other:act"]))
    command_line = f"python -m actstudy certify other:act --modules {folder}/studies"
    sentences = certified.sentences(study.code, study.file, study.arguments)
    assert sentences == [f"act is not certified: {command_line}"]


def test_two_own_pieces_of_one_name_are_told_apart():
    pieces = {"activation a:Act": "1" * 8, "activation b:Act": "2" * 8, "model a:net": "3" * 8}
    assert code.describe(pieces) == [
        "activation a:Act: own code 11111111",
        "activation b:Act: own code 22222222",
        "model net: own code 33333333",
    ]


# The command


def test_the_command_answers_line_by_line(folder):
    questions = [
        {"kind": "activation", "path": f"acts:{name}", "args": {}, "init": "auto", "code": "x"}
        for name in ("Squash", "Learnt", "doubles", "bump")
    ]
    request = json.dumps({"folders": [str(folder)], "questions": questions})
    done = forked_command(folder, "inspect", stdin=request)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {"learns": False, "keeps": False, "elementwise": True}
    assert lines[1] == {"learns": True, "keeps": False, "elementwise": True}
    assert list(lines[2]) == ["fault"]
    assert len(lines) == 3
    assert done.returncode == 2
