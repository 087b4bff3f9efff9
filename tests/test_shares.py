"""GPUs that runs share because one alone leaves them idle, on pretended ones."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest
import torch
from pretended import PRETENDED, pretender
from runs import quiet, run_row, same_tables, tiny

from actstudy.contract import errors, host, store
from actstudy.contract.spec import run_id
from actstudy.study import series
from actstudy.training import attempt, devices, leases, shares
from actstudy.training import run as training_run
from actstudy.training.in_turn import complete_each
from actstudy.training.outcome import Crowded, Interrupted, is_memory
from actstudy.training.warm import Warm

IDLE = host.Usage(0.1, 0.05)
HALF_IDLE = host.Usage(0.5, 0.2)
ALL_OF_IT = host.Usage(0.7, 0.2)
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. 1.50 GiB is free."


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    return pretender(tmp_path, monkeypatch)


@pytest.fixture
def auto(tmp_path):
    """`auto(**fields)`: what is known of runs of a kind of the task mlp."""
    return lambda **fields: shares.Share("auto", tiny(**fields), tmp_path / "runs")


@pytest.fixture
def on_gpu(tmp_path, monkeypatch):
    """Runs are trained on a CPU with the lease of a GPU; `usage[0]` is what they use of it."""
    usage = [IDLE]
    real = leases.Lease.take

    def take(self, *arguments):
        is_free = real(self, *arguments)
        self.device = torch.device("cpu")
        return is_free

    @contextlib.contextmanager
    def lease(kind, slots, stopping):
        with leases.Lease() as place:
            while not place.take(["GPU-0"], slots):
                assert not stopping()
            yield place

    monkeypatch.setattr(leases, "LEASES", tmp_path / "leases")
    monkeypatch.setattr(devices, "lease", lease)
    monkeypatch.setattr(host, "usage", lambda _: usage[0])
    monkeypatch.setattr(shares, "PAUSE", 0.001)
    return usage


def hold(stack, slots):
    """The number of the GPU that a new lease has, and how many runs may be on it."""
    lease = stack.enter_context(devices.lease("cuda", slots, lambda: True))
    return int(lease.gpu.removeprefix("GPU-")), lease.slots


def slots_of(stack, slots, n):
    """What n new leases have, one after another."""
    return [hold(stack, slots) for _ in range(n)]


@pytest.mark.parametrize(
    ("busy", "memory", "expected"),
    [
        (0.0, 0.01, 8),
        (0.15, 0.11, 8),
        (0.16, 0.01, 4),
        (0.1, 0.12, 4),
        (0.3, 0.2, 4),
        (0.6, 0.2, 2),
        (0.2, 0.45, 2),
        (0.61, 0.01, 1),
        (0.1, 0.46, 1),
        (1.0, 1.0, 1),
    ],
)
def test_runs_share_while_time_and_memory_are_left(busy, memory, expected):
    assert shares.slots_for(busy, memory) == expected


def test_a_kind_that_was_not_measured_has_its_gpu_alone(pretend, auto):
    pretend(2)
    with contextlib.ExitStack() as stack:
        assert slots_of(stack, auto(), 2) == [(0, 1), (1, 1)]
        with pytest.raises(Interrupted):
            hold(stack, auto(depth=3))


def test_runs_of_an_idle_kind_share_the_gpus_evenly(pretend, auto):
    pretend(2)
    for gpu in ("GPU-0", "GPU-1"):
        auto().note(gpu, HALF_IDLE)
    alike = auto(activation="relu", seed=3, lr=0.5, init="he_normal")
    with contextlib.ExitStack() as stack:
        assert slots_of(stack, alike, 4) == [(0, 2), (1, 2), (0, 2), (1, 2)]
        with pytest.raises(Interrupted):
            hold(stack, alike)


def test_what_was_measured_on_one_gpu_holds_for_that_one(pretend, auto):
    pretend(2)
    auto().note("GPU-1", IDLE)
    with contextlib.ExitStack() as stack:
        assert slots_of(stack, auto(), 3) == [(0, 1), (1, 8), (1, 8)]


def test_parts_of_several_kinds_are_never_more_than_a_gpu(pretend, auto):
    """Time and memory of all add up: 2 of 8 parts, then one of 4, is all that a half leaves."""
    pretend(1)
    few = auto()
    many = auto(depth=3)
    some = auto(depth=4)
    few.note("GPU-0", HALF_IDLE)
    many.note("GPU-0", IDLE)
    some.note("GPU-0", host.Usage(0.3, 0.2))
    with contextlib.ExitStack() as stack:
        places = [hold(stack, kind) for kind in (many, few, many, some)]
        assert places == [(0, 8), (0, 2), (0, 8), (0, 4)]
        for kind in (few, many, some, auto(depth=5)):
            with pytest.raises(Interrupted):
                hold(stack, kind)


def test_a_busy_kind_never_shares(pretend, auto):
    pretend(1)
    assert auto().note("GPU-0", ALL_OF_IT).endswith("runs like this at a time: 1")
    auto(depth=3).note("GPU-0", IDLE)
    with contextlib.ExitStack() as stack:
        assert hold(stack, auto()) == (0, 1)
        for kind in (auto(), auto(depth=3)):
            with pytest.raises(Interrupted):
                hold(stack, kind)


@pytest.mark.parametrize(
    "note", ["", "{}", "[]", '{"slots": 3}', '{"slots": "8"}', '{"slots": []}']
)
def test_a_note_that_cannot_be_read_is_not_known(pretend, auto, tmp_path, note):
    auto().note("GPU-0", IDLE)
    (file,) = (tmp_path / "runs" / shares.NOTES).iterdir()
    assert auto().on("GPU-0") == 8
    file.write_text(note)
    assert auto().on("GPU-0") == 1


def test_who_waits_for_a_gpu_alone_is_not_passed_by_those_who_share_it(pretend, auto):
    """Else runs of an idle kind, one after another, would keep it for ever."""
    pretend(1)
    auto().note("GPU-0", IDLE)
    waiting = leases.Lease()
    with contextlib.ExitStack() as first, waiting:
        assert hold(first, auto()) == (0, 8)
        assert not waiting.take(["GPU-0"], leases.Slots())
        with contextlib.ExitStack() as stack, pytest.raises(Interrupted):
            hold(stack, auto())
        first.close()
        with contextlib.ExitStack() as stack, pytest.raises(Interrupted):
            hold(stack, auto())
        assert waiting.take(["GPU-0"], leases.Slots())
    with contextlib.ExitStack() as stack:
        assert hold(stack, auto()) == (0, 8)


def test_who_waits_has_the_turn_of_all_gpus_and_takes_the_first(pretend, auto):
    pretend(2)
    waiting = leases.Lease()
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second, waiting:
        for stack in (first, second):
            hold(stack, leases.Slots())
        assert not waiting.take(["GPU-0", "GPU-1"], auto())
        second.close()
        assert waiting.take(["GPU-0", "GPU-1"], auto())
        assert waiting.gpu == "GPU-1"
        first.close()
        with contextlib.ExitStack() as stack:
            assert hold(stack, auto()) == (0, 1)


def test_who_wants_a_gpu_alone_needs_no_turn(pretend, auto):
    """One that waits for slots and is suspended would keep others from GPUs that are free."""
    pretend(2)
    auto().note("GPU-0", HALF_IDLE)
    waiting = leases.Lease()
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as first, waiting:
        assert slots_of(first, leases.Slots(), 2) == [(0, 1), (1, 1)]
        assert not waiting.take(["GPU-0", "GPU-1"], auto())
        first.close()
        assert slots_of(stack, leases.Slots(), 2) == [(0, 1), (1, 1)]


def test_a_process_whose_first_run_left_the_gpu_idle_lets_others_in(pretend, auto):
    pretend(1)
    with leases.Lease() as lease, contextlib.ExitStack() as stack:
        assert lease.take(["GPU-0"], auto())
        lease.share(auto())
        with pytest.raises(Interrupted):
            hold(stack, auto())
        auto().note("GPU-0", HALF_IDLE)
        lease.share(auto())
        assert lease.slots == 2
        assert hold(stack, auto()) == (0, 2)
        lease.share(leases.Slots(8))
        for slots in (auto(), leases.Slots(1), leases.Slots(8)):
            with pytest.raises(Interrupted):
                hold(stack, slots)


def test_a_later_run_of_a_process_shares_what_the_first_one_left_idle(pretend, auto):
    pretend(1)
    with Warm() as warm:
        lease = warm.lease("cuda", auto(), lambda: True)
        assert lease.slots == 1
        auto().note("GPU-0", IDLE)
        assert warm.lease("cuda", auto(), lambda: True) is lease
        assert lease.slots == 8


def test_a_killed_process_frees_its_parts_and_its_turn(pretend, auto, tmp_path):
    """One of two that share a GPU dies, and one that waits for it alone."""
    pretend(1)
    auto().note("GPU-0", HALF_IDLE)
    code = f"""{PRETENDED}
from actstudy.training import shares
from runs import tiny
pretend(1, {str(tmp_path)!r})
share = shares.Share("auto", tiny(), pathlib.Path({str(tmp_path / "runs")!r}))
lease = leases.Lease()
print(lease.take(["GPU-0"], share), flush=True)
waiting = leases.Lease()
print(waiting.take(["GPU-0"], leases.Slots()), flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert [process.stdout.readline() for _ in range(2)] == ["True\n", "False\n"]
    with contextlib.ExitStack() as stack, pytest.raises(Interrupted):
        hold(stack, auto())
    process.kill()
    process.wait()
    with contextlib.ExitStack() as stack:
        assert slots_of(stack, auto(), 2) == [(0, 2), (0, 2)]


def test_slurms_gpu_is_not_shared(pretend, auto, monkeypatch):
    pretend(1)
    monkeypatch.setenv("SLURM_JOB_GPUS", "5")
    with devices.lease("cuda", auto(), lambda: True) as lease:
        assert (lease.gpu, lease.slots) == ("", 1)
        assert isinstance(auto().meter(lease), contextlib.nullcontext)


def test_the_first_run_of_a_process_is_measured_and_no_bit_depends_on_it(
    tmp_path, data_folder, on_gpu
):
    """The first has clean times; a note and a line of its log say what it used."""
    runs = {tmp_path / "runs" / run_id(spec): spec for spec in (tiny(), tiny("relu"), tiny("elu"))}
    assert complete_each(runs, quiet(slots_per_gpu="auto"), data_folder.parent) == 0
    words = [(folder / "log.txt").read_text() for folder in runs]
    assert ["slots_per_gpu: auto: the GPU was busy" in text for text in words] == [
        True,
        False,
        False,
    ]
    assert "5% of its memory in use; runs like this at a time: 8" in words[0]
    (note,) = (tmp_path / "runs" / shares.NOTES).iterdir()
    assert json.loads(note.read_text())["memory"] == 0.05
    for folder, spec in runs.items():
        training_run.train(
            {tmp_path / "plain" / folder.name: spec}, tmp_path / "s", data_folder, quiet()
        )
        assert same_tables(folder, tmp_path / "plain" / folder.name)


@pytest.mark.parametrize("why", ["hidden", "few", "in use", "diverged", "given"])
def test_a_run_that_says_nothing_of_its_kind_is_not_noted(
    tmp_path, data_folder, on_gpu, monkeypatch, why
):
    settings = quiet(slots_per_gpu="auto")
    spec = tiny()
    if why == "hidden":
        on_gpu[0] = None
    elif why == "few":
        monkeypatch.setattr(shares, "PAUSE", 60)
    elif why == "in use":
        monkeypatch.setattr(devices, "in_use_still", lambda _: True)
    elif why == "diverged":
        spec = tiny("relu", lr=1e30, clip=None, warmup=0)
    else:
        settings = quiet(slots_per_gpu=1)
    folder = tmp_path / "runs" / run_id(spec)
    assert attempt.complete({folder: spec}, settings, data_folder.parent) == 0
    assert not (tmp_path / "runs" / shares.NOTES).exists()
    is_line = "auto: not known how busy the GPU was" in (folder / "log.txt").read_text()
    assert is_line == (why in ("hidden", "few", "in use"))


def test_the_end_of_a_run_says_nothing_of_its_kind(tmp_path, data_folder, on_gpu, monkeypatch):
    """A run that was stopped after its last step but one is no idle one."""
    folder = tmp_path / "runs" / run_id(tiny())
    settings = quiet(slots_per_gpu="auto", checkpoint_seconds=0.0)
    with monkeypatch.context() as patched:
        patched.setattr(attempt.Signals, "stopping", lambda _: True)
        assert attempt.complete({folder: tiny()}, settings, data_folder.parent) == 75
    assert attempt.complete({folder: tiny()}, settings, data_folder.parent) == 0
    assert run_row(folder)["n_resumes"] == 1
    assert not (tmp_path / "runs" / shares.NOTES).exists()


def test_a_look_that_hangs_delays_nothing(on_gpu, monkeypatch):
    """nvidia-smi waits for a driver that does not answer."""
    began = threading.Event()
    answers = threading.Event()

    def usage(_):
        began.set()
        answers.wait(30)
        return IDLE

    monkeypatch.setattr(shares, "PATIENCE", 0.01)
    monkeypatch.setattr(host, "usage", usage)
    with shares.Meter("GPU-0") as meter:
        meter._usages += 3 * [IDLE]
        assert began.wait(30)
    assert meter.usage(0.0) is None
    answers.set()


@pytest.mark.filterwarnings("error")  # of a thread that an exception ends
@pytest.mark.parametrize("fault", [OSError, UnicodeError, ZeroDivisionError, None])
def test_a_look_that_fails_leaves_the_usage_unknown(on_gpu, monkeypatch, fault):
    """What was seen before is of the start alone, in which a GPU is idle."""
    looks = iter([IDLE, IDLE, IDLE, IDLE])

    def usage(_):
        for look in looks:
            return look
        if fault:
            raise fault
        return None

    monkeypatch.setattr(host, "usage", usage)
    with shares.Meter("GPU-0") as meter:
        meter._thread.join()
    assert meter.usage(0.0) is None


def test_seconds_of_compilation_are_not_idle(monkeypatch):
    meter = shares.Meter("GPU-0")
    meter._usages = [host.Usage(0.2, 0.1), host.Usage(0.4, 0.3), host.Usage(0.0, 0.2)]
    meter._seconds = 10.0
    assert meter.usage(0.0) == pytest.approx(host.Usage(0.2, 0.3))
    assert meter.usage(5.0) == pytest.approx(host.Usage(0.4, 0.3))
    assert meter.usage(10.0) == pytest.approx(host.Usage(1.0, 0.3))


def test_a_model_that_keeps_the_gpu_busy_once_it_is_compiled_has_it_alone():
    """A run of the full study's lm: 14 s of compilation, then 22 s of 95%."""
    meter = shares.Meter("GPU-0")
    meter._usages = 28 * [host.Usage(0.0, 0.037)] + 44 * [host.Usage(0.95, 0.037)]
    meter._seconds = 36.0
    busy, memory = meter.usage(14.0)
    assert busy == pytest.approx(0.95)
    assert shares.slots_for(busy, memory) == 1


def test_the_start_of_a_process_is_no_idle_time_of_its_run(
    tmp_path, data_folder, on_gpu, monkeypatch
):
    """CUDA, data and model come once per process, while the GPU idles."""
    on_gpu[0] = host.Usage(0.0, 0.2)
    real = training_run.resume

    def resume(*arguments):
        time.sleep(0.2)
        real(*arguments)
        on_gpu[0] = ALL_OF_IT

    monkeypatch.setattr(training_run, "resume", resume)
    folder = tmp_path / "runs" / run_id(tiny())
    settings = quiet(slots_per_gpu="auto")
    assert attempt.complete({folder: tiny()}, settings, data_folder.parent) == 0
    (note,) = (tmp_path / "runs" / shares.NOTES).iterdir()
    assert json.loads(note.read_text())["busy"] == pytest.approx(ALL_OF_IT.busy)


def test_what_a_pack_compiles_before_it_trains_is_no_idle_time_of_it(
    tmp_path, data_folder, on_gpu, monkeypatch
):
    on_gpu[0] = host.Usage(0.1, 0.2)
    real = training_run.resume

    def resume(engine, *others):
        real(engine, *others)
        engine.clock.seconds["compile"] += 1000

    monkeypatch.setattr(training_run, "resume", resume)
    folder = tmp_path / "runs" / run_id(tiny())
    settings = quiet(slots_per_gpu="auto")
    assert attempt.complete({folder: tiny()}, settings, data_folder.parent) == 0
    (note,) = (tmp_path / "runs" / shares.NOTES).iterdir()
    assert json.loads(note.read_text())["busy"] == pytest.approx(0.1)


def test_a_wait_for_a_gpu_is_no_start(tmp_path, data_folder, on_gpu, monkeypatch):
    """Seconds add up to what a run takes; `started` and `leased` still say how long it waited."""
    wait = 100.0
    real = devices.lease

    @contextlib.contextmanager
    def lease(*arguments):
        with real(*arguments) as place:
            place.waited = wait
            yield place

    monkeypatch.setattr(devices, "lease", lease)
    runs = {tmp_path / "runs" / run_id(spec): spec for spec in (tiny(), tiny("relu"))}
    settings = quiet(started=time.time() - wait - 5)
    assert complete_each(runs, settings, data_folder.parent) == 0
    first, second = map(run_row, runs)
    assert 5 <= first["start_seconds"] < 5 + 30
    assert 0 <= second["start_seconds"] < 30
    times = [datetime.fromisoformat(first[name]) for name in ("started", "leased")]
    assert (times[1] - times[0]).total_seconds() >= wait


def test_a_lease_knows_how_long_it_was_waited_for(pretend, monkeypatch):
    pretend(1)
    with contextlib.ExitStack() as first, Warm() as warm:
        assert hold(first, leases.Slots()) == (0, 1)
        clock = itertools.count(step=7)
        monkeypatch.setattr(devices.time, "monotonic", lambda: next(clock))
        monkeypatch.setattr(devices.time, "sleep", lambda _: first.close())
        lease = warm.lease("cuda", leases.Slots(), lambda: False)
        assert lease.waited == 7
        assert warm.lease("cuda", leases.Slots(), lambda: False).waited == 0


def test_a_gpu_that_cuda_does_not_compute_on_is_no_lease(pretend, monkeypatch):
    """CUDA that has started before sees the GPUs of then."""
    pretend(2)
    monkeypatch.setattr(devices, "identity", lambda _: "0")
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        assert hold(first, leases.Slots()) == (0, 1)
        with pytest.raises(errors.StudyError, match="got GPU-1, but CUDA computes on GPU-0") as got:
            hold(second, leases.Slots())
    assert not isinstance(got.value, errors.NodeFault)  # of another node it would be as true


@pytest.fixture
def full_at(monkeypatch):
    """`full_at(step)`: memory runs out at a step wherever runs may share; counts the new starts."""
    starts = []
    real = training_run.fit

    def full_at(step):
        def fit(engine, stopping, *others):
            def full():
                if engine.step >= step:
                    raise torch.cuda.OutOfMemoryError(FULL)
                return stopping()

            real(engine, full if not starts else stopping, *others)

        monkeypatch.setattr(training_run, "fit", fit)
        return starts

    def execv(path, arguments):
        starts.append((path, arguments))
        raise ConnectionResetError  # the process is another one from here

    monkeypatch.setattr(os, "execv", execv)
    return full_at


@pytest.mark.parametrize("slots", ["auto", 2])
def test_out_of_memory_on_a_shared_gpu_goes_back_to_one_run(
    tmp_path, data_folder, on_gpu, full_at, capsys, slots
):
    """It goes on from its checkpoint, alone, to the tables of an undisturbed run; so do others."""
    spec = tiny()
    folder = tmp_path / "runs" / run_id(spec)
    share = shares.Share(slots, spec, folder.parent)
    share.note("GPU-0", HALF_IDLE)
    assert share.on("GPU-0") == 2
    starts = full_at(5)
    settings = quiet(slots_per_gpu=slots, checkpoint_seconds=0.0)
    with pytest.raises(ConnectionResetError):
        attempt.complete({folder: spec}, settings, data_folder.parent)
    assert starts == [(sys.executable, sys.orig_argv)]
    words = "out of memory on a shared GPU: asked for 2.00 GiB, 1.50 GiB free; waits for one alone"
    assert capsys.readouterr().err == f"{run_id(spec)}: {words}\n"
    assert words in (folder / "log.txt").read_text()
    assert not (folder / store.MANIFEST).exists()
    assert share.on("GPU-0") == share.on("GPU-1") == 1
    assert attempt.complete({folder: spec}, settings, data_folder.parent) == 0
    row = run_row(folder)
    assert (row["status"], row["n_resumes"]) == ("completed", 1)
    training_run.train({tmp_path / "plain": spec}, tmp_path / "s", data_folder, quiet())
    assert same_tables(folder, tmp_path / "plain")


def test_a_full_gpu_is_left_for_any_other(tmp_path, data_folder, pretend, full_at, monkeypatch):
    """The command that starts again sees all GPUs that it had, though a series keeps its lease."""
    zeros = torch.zeros
    pretend(2)
    runs = {tmp_path / "runs" / run_id(spec): spec for spec in (tiny(), tiny("relu"))}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    real_lease = devices.lease

    @contextlib.contextmanager
    def lease(*arguments):
        with real_lease(*arguments) as place:
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-0"
            monkeypatch.setattr(torch, "zeros", zeros)
            place.device = torch.device("cpu")
            yield place

    def execv(*_):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
        raise ConnectionResetError

    monkeypatch.setattr(devices, "lease", lease)
    full_at(5)
    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(ConnectionResetError):
        complete_each(runs, quiet(slots_per_gpu=2, device="cuda"), data_folder.parent)


def test_told_to_stop_a_run_without_memory_does_not_start_again(
    tmp_path, data_folder, on_gpu, full_at, monkeypatch
):
    folder = tmp_path / "runs" / run_id(tiny())
    starts = full_at(5)
    monkeypatch.setattr(attempt.Signals, "stopping", lambda signals: vars(signals).update(noted=1))
    assert attempt.complete({folder: tiny()}, quiet(slots_per_gpu=2), data_folder.parent) == 75
    assert not starts
    assert not (folder / store.MANIFEST).exists()


def test_memory_may_run_out_before_there_is_a_model(tmp_path, data_folder, on_gpu, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`")

    monkeypatch.setattr(training_run, "make_engine", full)
    folder = tmp_path / "runs" / run_id(tiny())
    for slots in (8, 1):
        with pytest.raises(Crowded) if slots > 1 else contextlib.nullcontext():
            training_run.train({folder: tiny()}, folder / "s", data_folder, quiet(slots_per_gpu=8))
    assert run_row(folder)["status"] == "out_of_memory"


def test_a_run_that_is_alone_ends_as_out_of_memory(tmp_path, data_folder, on_gpu, full_at):
    spec = tiny()
    folder = tmp_path / "runs" / run_id(spec)
    starts = full_at(5)
    assert attempt.complete({folder: spec}, quiet(slots_per_gpu="auto"), data_folder.parent) == 0
    assert not starts
    assert run_row(folder)["status"] == "out_of_memory"


def test_a_shared_gpu_without_room_for_cuda_is_no_failed_gpu(pretend, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("CUDA error: out of memory\nCompile with ...")

    pretend(1)
    monkeypatch.setattr(torch, "zeros", full)
    for slots, kind in ((2, Crowded), (1, devices.Unanswered)):
        with pytest.raises(kind), contextlib.ExitStack() as stack:
            hold(stack, leases.Slots(slots))


def test_a_shared_gpu_that_is_full_before_a_later_run_is_no_failed_gpu(pretend, monkeypatch):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError(FULL)

    for slots, kind in ((2, Crowded), (1, devices.Unanswered)):
        pretend(1)
        with Warm() as warm:
            warm.lease("cuda", leases.Slots(slots), lambda: True)
            monkeypatch.setattr(torch, "zeros", full)
            with pytest.raises(kind):
                warm.lease("cuda", leases.Slots(slots), lambda: True)


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "Triton Error [CUDA]: out of memory",
        "backend='inductor' raised:\nOutOfMemoryError: CUDA out of memory. Tried to allocate ...",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_memory_runs_out_in_many_words(words):
    assert is_memory(RuntimeError(words))
    assert not is_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("37, 4096, 81920", host.Usage(0.37, 0.05)),
        ("[N/A], 10, 9728", None),
        ("", None),
        ("No devices were found", None),
    ],
)
def test_the_usage_of_a_gpu(tmp_path, monkeypatch, printed, expected):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{printed}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert host.usage("GPU-0") == expected


@pytest.mark.parametrize(("n", "expected"), [(1, "b"), (2, "b,c"), (3, None)])
def test_as_many_gpus_are_used_as_were_asked_for_the_free_ones_first(monkeypatch, n, expected):
    processes = {"a": 3, "b": 0, "c": 1}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(host, "gpus", lambda: [*processes])
    monkeypatch.setattr(host, "load", lambda name: host.Load(processes[name], 0))
    host.use_only(n)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == expected


def test_jobs_beyond_one_a_gpu_are_started_and_wait():
    assert [series.jobs_on_a_gpu(slots) for slots in (1, 4, "auto")] == [1, 4, host.GPU_PARTS]
    assert max(shares.SLOTS) == host.GPU_PARTS
