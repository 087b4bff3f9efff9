"""`doctor --cluster` and profiles: what is wrong before anything is queued; Slurm is faked."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_slurm import DEFAULTS, SOUND, plant, write_profile
from runs import ROOT

from actstudy.cluster import checks, profile
from actstudy.cluster.profile import read
from actstudy.commands import cli
from actstudy.contract.errors import StudyError


def findings() -> list[tuple[str, str]]:
    listed = checks.examine(read(Path("profiles/slurm")), Path("results"))
    return [(finding.check, finding.sentence) for finding in listed]


def test_a_sound_cluster_has_no_finding(sound, capsys):
    assert findings() == []
    assert sorted(Path("results").iterdir()) == []  # nothing is left behind
    with pytest.raises(SystemExit, match="0"):
        cli.main(["doctor", "--cluster"])
    assert "nothing is wrong" in capsys.readouterr().out


def no_account(programs, monkeypatch):
    text = SOUND["scontrol"].replace("Enforce = none", "Enforce = associations,limits")
    plant(programs, "scontrol", text)
    plant(programs, "sacctmgr", 'case "$*" in *associations*) echo "one|ml|me|";; esac')


def no_gpu(programs, monkeypatch):
    write_profile({}, ["slurm_partition=cpu", *DEFAULTS[1:]])


def wrong_gres(programs, monkeypatch):
    write_profile({}, [*DEFAULTS, "gpu_model=a10"])


def not_shared(programs, monkeypatch):
    monkeypatch.setenv("FAKE_PLACE", "/nowhere")


def late_clock(programs, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "-90")


def old_driver(programs, monkeypatch):
    facts = {"reached": False, "torch": "13.0", "driver": "12.2", "node": "n7"}
    monkeypatch.setenv("FAKE_NODE", json.dumps(facts))


def no_requeue(programs, monkeypatch):
    write_profile({"actstudy-requeue": False})
    plant(programs, "scontrol", SOUND["scontrol"].replace("  = 1", "  = 0"))


def local_store(programs, monkeypatch):
    monkeypatch.setattr(checks, "LOCAL", (str(Path.cwd()),))


PLANTED = {
    no_account: ("account", "slurm_account: missing, .*; allowed: ml"),
    no_gpu: ("partition", "got 'cpu', which has no GPU; allowed: gpu"),
    wrong_gres: ("gres", "gpu_model: got 'a10'; did you mean 'a100'"),
    not_shared: ("shared", "not what it is here .No such file.*storage that all nodes share"),
    late_clock: ("clocks", "is -(9|8)\\d s from that here; allowed: 2 s"),
    old_driver: ("cuda", "n7: torch reaches no GPU: .* CUDA 13.0, its driver goes up to CUDA 12.2"),
    no_requeue: ("requeue", "actstudy-requeue: missing, .*; allowed: true"),
    local_store: ("store", "on a node's own .*; allowed: a folder on shared storage"),
}


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.__name__)
def test_each_planted_fault_is_named_and_no_other(sound, monkeypatch, capsys, fault):
    fault(sound, monkeypatch)
    check, sentence = PLANTED[fault]
    ((name, sentence_there),) = findings()
    assert name == check
    assert re.search(sentence, sentence_there), sentence_there
    with pytest.raises(SystemExit, match="3"):
        cli.main(["doctor", "--cluster"])
    assert f"{check}: " in capsys.readouterr().out


def test_what_else_keeps_a_cluster_from_a_study(sound, monkeypatch):
    """A time that no partition gives, an account of others, a lock that holds on one node alone."""
    write_profile({}, ["slurm_partition=gpu", "runtime=3000"])
    ((check, sentence),) = findings()
    assert check == "time"
    assert "got 3000, with which a job waits for ever; allowed: up to 1440 minutes" in sentence
    write_profile({}, [*DEFAULTS, "slurm_account=mm"])
    plant(sound, "sacctmgr", 'case "$*" in *associations*) echo "one|ml|me|";; esac')
    assert "got 'mm'; did you mean 'ml'" in findings()[0][1]
    write_profile({}, ["slurm_partition=gpus", *DEFAULTS[1:]])
    assert [check for check, _ in findings()] == ["partition"]
    write_profile({})
    monkeypatch.setenv("FAKE_NODE", json.dumps({"lock": "let in"}))
    assert [check for check, _ in findings()] == ["shared"]


def test_the_time_of_the_default_partition(sound):
    """The one that Slurm marks, of which `sinfo` has a line per state, some with a mark too."""
    write_profile({}, ["runtime=3000", "mem_mb=2000"])
    words = 'case "$*" in *%P*) printf "debug\\ngpu*\\n";; *"-p gpu "*%l*) echo 4:00:00;; '
    words += '*%G*) echo gpu:a100:4;; "-h") printf "gpu* up down*\\ngpu* up idle\\n";; esac'
    plant(sound, "sinfo", words)
    assert next(sentence for check, sentence in findings() if check == "time").endswith(
        "up to 240 minutes, as the partition gpu gives"
    )


def test_without_an_answer_it_says_what_is_not_known(sound, capsys):
    """With srun's own words, and the time that it took."""
    plant(sound, "srun", "echo 'srun: error: no such nodes' >&2; exit 1")
    assert [check for check, _ in findings()] == ["node"]
    with pytest.raises(SystemExit, match="1"):
        cli.main(["doctor", "--cluster"])
    words = "no node of the partition (gpu) has answered in 0 s (srun: error: no such nodes)"
    assert f"are not known: {words}" in capsys.readouterr().out
    plant(sound, "scontrol", "exit 1")
    with pytest.raises(StudyError, match="scontrol is missing or does not answer"):
        findings()


def test_bad_profiles_are_one_line(tmp_path):
    with pytest.raises(StudyError, match="is missing; allowed: a folder with a profile"):
        read(tmp_path)
    (tmp_path / "config.yaml").write_text("executor: local")
    with pytest.raises(StudyError, match="executor: got 'local'; allowed: actstudy, slurm"):
        read(tmp_path)
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(StudyError, match="not YAML"):
        read(tmp_path)
    shipped = read(ROOT / "profiles/slurm")
    assert shipped.settings["executor"] == "actstudy"
    assert shipped.resources["slurm_extra"].startswith("--signal=TERM@")


def test_a_study_without_gpus_needs_no_partition_with_them(sound, capsys):
    """Its `device: cpu` says so; `gpu=0` in the profile would be overruled by the default one."""
    write_profile({}, ["slurm_partition=cpu", *DEFAULTS[1:]])
    study = Path("small.yaml")
    study.write_text("device: cpu\nseeds: 1\naxes: {activation: [relu, tanh]}\ntasks: {mlp: {}}\n")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["doctor", "--cluster", "--config", str(study)])
    assert "its jobs ask for no GPU" in capsys.readouterr().out
    write_profile({"resources": ["gpu=0"]})
    ((check, sentence),) = findings()
    assert check == "gres"
    assert "gpu=0 has no effect here" in sentence
    with pytest.raises(SystemExit, match="2"):
        cli.main(["doctor", "--config", str(study)])
    assert "--config: goes with --cluster only" in capsys.readouterr().err


WRONG = {
    "runtime=abc": "runtime: got 'abc'; allowed: a whole number of minutes, at least 1",
    "runtime=0": "runtime: got '0'; allowed",
    "runtime=-5": "runtime: got '-5'; allowed",
    "runtime=10 parsecs": "runtime: got '10 parsecs'; allowed",
    "runtime=10ms": "runtime: got '10ms'; allowed",
    "runtime=1-00:00:00": "runtime: got '1-00:00:00'; did you mean 1440? allowed",
    "runtime=10:00:00": "runtime: got '10:00:00'; did you mean 600? allowed",
    "runtime=90:30": "runtime: got '90:30'; did you mean 91? allowed",
    "mem_mb=4GB": "mem_mb: got '4GB'; did you mean 4000? allowed: a whole number of MB",
    "mem_mb=x": "mem_mb: got 'x'; allowed",
}


@pytest.mark.parametrize("word", WRONG)
def test_a_time_that_no_job_can_ask_for_is_refused(sound, word):
    """With file, key, what it got and what is allowed; by snakemake before anything is queued."""
    write_profile({}, [*DEFAULTS[:1], word])
    with pytest.raises(StudyError) as refused:
        findings()
    assert f"profiles/slurm/config.yaml: default-resources: {WRONG[word]}" in str(refused.value)
    write_profile({"set-resources": {"train": dict([word.split("=")])}})
    with pytest.raises(StudyError) as refused:
        findings()
    assert f"set-resources: train: {WRONG[word]}" in str(refused.value)
    words = ["snakemake", "--profile", "profiles/slurm"]
    with pytest.raises(StudyError) as refused:
        profile.check_resources(settings([word], {}), words)
    assert str(refused.value).startswith("profiles/slurm/config.yaml: default-resources: ")
    with pytest.raises(StudyError) as refused:
        profile.check_resources(settings([], {"train": [word]}), [*words, "--set-resources=x"])
    assert str(refused.value).startswith("set-resources: train: ")


def test_one_machine_asks_nobody_for_time():
    machine = SimpleNamespace(nodes=None, default_resources=SimpleNamespace(args=["runtime=x"]))
    assert profile.check_resources(machine, []) is None


def settings(defaults, by_rule) -> SimpleNamespace:
    """Resources as snakemake has them."""
    rules = {rule: SimpleNamespace(args=args) for rule, args in by_rule.items()}
    known = SimpleNamespace(args=defaults)
    return SimpleNamespace(nodes=9, default_resources=known, _parsed_overwrite_resources=rules)


def test_a_time_with_a_unit_is_in_minutes(sound):
    """As snakemake reads it; more than the partition gives is a finding."""
    write_profile({}, ["slurm_partition=gpu", "runtime=10h"])
    assert read(Path("profiles/slurm")).resources["runtime"] == "600"
    assert findings() == []
    write_profile({}, ["slurm_partition=gpu", "runtime=2d"])
    assert [check for check, _ in findings()] == ["time"]


def test_a_time_that_the_partition_does_not_give_queues_no_job(sound):
    """Before the first job, by snakemake itself."""
    direct = pytest.importorskip("snakemake_executor_plugin_actstudy.direct")
    plant(sound, "sinfo", """case "$*" in *%P*) echo 'gpu*';; *%l*) echo 4:00:00;; esac""")
    direct.check_fit(settings(["runtime=240", "slurm_partition=gpu"], {}))
    direct.check_fit(settings(["mem_mb=5"], {"train": ["mem_mb=7"]}))
    allowed = "allowed: up to 240 minutes, as the partition gpu gives"
    with pytest.raises(Exception, match=f"default-resources: .* got 600, .* {allowed}"):
        direct.check_fit(settings(["runtime='10h'"], {}))
    with pytest.raises(Exception, match=f"set-resources: train: .* got 600, .* {allowed}"):
        direct.check_fit(settings(["runtime=5"], {"train": ["runtime=10h"]}))
    plant(sound, "sinfo", "echo infinite")
    direct.check_fit(settings(["runtime='10h'"], {}))


@pytest.mark.parametrize(
    ("check", "words", "sentence"),
    [
        (
            "partition",
            ["slurm_partition=gpus"],
            "got 'gpus'; did you mean 'gpu'? allowed: cpu, gpu",
        ),
        ("memory", ["mem_mb=9000"], "got 9000; allowed: up to 8000, as the largest node of"),
        (
            "time",
            ["runtime=2", "slurm_extra='--signal=TERM@120 --open-mode=append'"],
            "runtime: got 2, and `--signal=TERM@120` stops jobs 120 s before their end; allowed: "
            "at least 3",
        ),
    ],
)
def test_what_no_job_gets_queues_none(sound, check, words, sentence):
    """Neither of `doctor` nor of snakemake."""
    direct = pytest.importorskip("snakemake_executor_plugin_actstudy.direct")
    sinfo = """for word; do case "$word" in
%R) printf "cpu\ngpu\n";; %m) printf "4000\n8000+\n";; %G) echo "gpu:a100:4";; esac; done"""
    plant(sound, "sinfo", sinfo)
    sound_words = ["slurm_partition=gpu", "runtime=60", "mem_mb=8000"]
    direct.check_fit(settings(sound_words, {}))
    with pytest.raises(Exception, match=re.escape(sentence)):
        direct.check_fit(settings([*sound_words, *words], {}))
    with pytest.raises(Exception, match=f"set-resources: tables: .*{re.escape(sentence)}"):
        direct.check_fit(settings(sound_words, {"tables": words}))
    write_profile({}, [*sound_words, *words])
    ((kind, line),) = findings()
    assert (kind, sentence in line) == (check, True)


def test_the_time_of_a_rule_is_compared_with_its_own_partition(sound):
    """Also if it has one of the two of its own alone."""
    limits = """case "$*" in *-p\\ short*%l*) echo 30:00;; *%l*) echo 4:00:00;; """
    plant(sound, "sinfo", f'{limits}*%R*) printf "gpu\\nshort\\n";; *%G*) echo "gpu:a100:4";; esac')
    write_profile({"set-resources": {"train": {"runtime": 300}}})
    assert findings() == [("time", ANY_TIME.format("train", 300, 240, "gpu"))]
    write_profile({"set-resources": ["tables:slurm_partition=short", "figures:mem_mb=1"]})
    assert findings() == [("time", ANY_TIME.format("tables", 60, 30, "short"))]


ANY_TIME = (
    "profiles/slurm/config.yaml: set-resources: {}: runtime: got {}, with which a job waits for "
    "ever; allowed: up to {} minutes, as the partition {} gives"
)
