"""Prepared data on a node's disk: copied once, believed by checksum, never from what is damaged."""

import errno
import fcntl
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from runs import quiet, run, same_tables, tiny

from actstudy.contract import faults, locks, scratch, store
from actstudy.data import prepared, staged


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """The folder that is the node's disk."""
    monkeypatch.setenv(scratch.VARIABLE, str(tmp_path / "disk"))
    return tmp_path / "disk"


@pytest.fixture
def shared(data_folder):
    """Prepared data that every user may read and nobody may write."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "data", "mnist1d")
        shutil.copytree(data_folder, folder)
        Path(place).chmod(0o755)
        paths = [folder.parent, folder, *folder.iterdir()]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield folder
        for path in paths:
            path.chmod(0o755)


@pytest.fixture
def stranger(shared, disk):
    """The rights of a user who owns the node's folder alone."""
    disk.mkdir()
    user = os.geteuid()
    if user:
        yield
        return
    for path in [disk, *disk.parents]:
        if path != Path("/tmp") and path.stat().st_uid == user and len(path.parts) > 2:
            path.chmod(path.stat().st_mode | 0o055)
    os.chown(disk, 12345, 12345)
    os.seteuid(12345)
    yield
    os.seteuid(user)


def test_data_that_may_only_be_read_are_copied_and_not_touched(shared, disk, stranger):
    before = {path.name: path.stat().st_mtime_ns for path in shared.iterdir()}
    with pytest.raises(PermissionError):
        (shared / "x").touch()
    data = staged.load(shared)
    assert data.folder.is_relative_to(disk)
    assert data.sha256 == store.sha256(shared / store.MANIFEST)
    assert {path.name: path.stat().st_mtime_ns for path in shared.iterdir()} == before


def test_without_a_disk_the_folder_itself_is_read(data_folder, monkeypatch):
    monkeypatch.delenv(scratch.VARIABLE, raising=False)
    assert staged.load(data_folder).folder == data_folder


def test_a_second_process_copies_nothing(data_folder, disk, monkeypatch):
    first = staged.load(data_folder)
    monkeypatch.setattr(staged, "bring", lambda *_: pytest.fail("copied again"))
    second = staged.load(data_folder)
    for name, array in second.arrays.items():
        assert np.array_equal(array, first.arrays[name])


@pytest.mark.parametrize("name", ["train_x.npy", "test_y.npy", store.MANIFEST])
def test_a_damaged_copy_is_noticed_and_copied_again(data_folder, disk, capsys, name):
    copy = staged.load(data_folder).folder
    content = bytearray((copy / name).read_bytes())
    content[-3] ^= 1
    (copy / name).write_bytes(content)
    other = {path.name: path.stat().st_ino for path in copy.iterdir() if path.name != name}
    data = staged.load(data_folder)
    assert (copy / name).read_bytes() == (data_folder / name).read_bytes()
    assert data.folder == copy
    assert {path.name: path.stat().st_ino for path in copy.iterdir() if path.name != name} == other
    if name != store.MANIFEST:
        assert f"{name} is missing or does not have its checksum; it is copied again" in (
            capsys.readouterr().err
        )


def test_a_copy_that_has_lost_a_file_gets_it_again(data_folder, disk):
    copy = staged.load(data_folder).folder
    (copy / "val_x.npy").unlink()
    staged.load(data_folder)
    assert store.sha256(copy / "val_x.npy") == store.sha256(data_folder / "val_x.npy")


def test_damage_of_the_folder_itself_is_no_copys_fault(data_folder, disk, tmp_path):
    folder = tmp_path / "mnist1d"
    shutil.copytree(data_folder, folder)
    (folder / "train_x.npy").write_bytes(b"x")
    with pytest.raises(store.Damaged, match=f"{folder}/train_x.npy.*to fix: rm -r {folder},"):
        staged.load(folder)


def test_data_that_were_prepared_anew_are_another_copy(data_folder, disk, tmp_path):
    folder = tmp_path / "mnist1d"
    shutil.copytree(data_folder, folder)
    first = staged.load(folder).folder
    manifest = store.read_note(folder / store.MANIFEST, {})
    store.write_json(folder / store.MANIFEST, {**manifest, "note": "anew"})
    assert staged.load(folder).folder != first


def test_a_disk_without_room_is_passed_over(data_folder, disk, monkeypatch, capsys):
    monkeypatch.setenv("ACTSTUDY_FAULT", "train_x.npy/fsync:full")
    monkeypatch.setattr(faults, "_passed", Counter())  # of other tests of this process
    assert staged.load(data_folder).folder == data_folder
    printed = capsys.readouterr().err
    assert f"no copy of {data_folder} on this node (train_x.npy/fsync: No space left" in printed


def test_a_place_that_is_no_folder_is_passed_over(data_folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(scratch.VARIABLE, str(tmp_path / "file"))
    assert staged.load(data_folder).folder == data_folder
    assert "it is read there" in capsys.readouterr().err


@pytest.mark.parametrize("call", ["copyfile", "flock"])
def test_a_disk_that_fails_or_has_no_locks_is_passed_over(
    data_folder, disk, monkeypatch, capsys, call
):
    if call == "copyfile":
        broken = OSError(errno.EIO, "Input/output error")
        monkeypatch.setattr(shutil, "copyfile", _raise(broken))
    else:
        no_locks = OSError(errno.ENOLCK, "No locks available")
        monkeypatch.setattr(fcntl, "flock", _raise(no_locks))
    assert staged.load(data_folder).folder == data_folder
    printed = capsys.readouterr().err
    assert f"no copy of {data_folder} on this node (" in printed
    assert ("Input/output error" if call == "copyfile" else "No locks available") in printed


def _raise(fault):
    def call(*_):
        raise fault

    return call


def _load(folder, copies, barrier, out):
    real = staged.bring

    def bring(source, copy):
        out.put("copied")
        real(source, copy)

    staged.bring = bring
    barrier.wait()
    out.put(staged.load(folder).sha256)


def test_two_processes_at_once_make_one_copy(data_folder, disk):
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    barrier = context.Barrier(2)
    arguments = (data_folder, disk, barrier, out)
    processes = [context.Process(target=_load, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    words = [out.get(timeout=60) for _ in range(3)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert words.count("copied") == 1
    assert words.count(prepared.load(data_folder).sha256) == 2


def test_a_copy_that_is_being_made_is_waited_for(data_folder, disk):
    copy = staged.copy_of(data_folder)
    copy.parent.mkdir(parents=True)
    reader = threading.Thread(target=staged.load, args=(data_folder,))
    with locks.locked(copy):
        reader.start()
        reader.join(0.3)
        assert reader.is_alive()
        assert not (copy / store.MANIFEST).exists()
    reader.join(30)
    assert not reader.is_alive()
    assert (copy / store.MANIFEST).is_file()


def test_a_run_has_the_same_bits_by_way_of_the_disk(data_folder, disk, tmp_path, monkeypatch):
    run(tiny(), tmp_path / "staged", data_folder, quiet())
    assert list(disk.glob("actstudy-*/data/mnist1d-*/train_x.npy"))
    monkeypatch.delenv(scratch.VARIABLE)
    run(tiny(), tmp_path / "plain", data_folder, quiet())
    assert same_tables(tmp_path / "staged", tmp_path / "plain")


def test_compiled_code_is_kept_on_the_disk_unless_it_is_elsewhere(disk, monkeypatch):
    monkeypatch.delenv(scratch.COMPILED, raising=False)
    scratch.keep_compiled_code()
    assert Path(os.environ[scratch.COMPILED]).is_relative_to(disk)
    monkeypatch.setenv(scratch.COMPILED, "/elsewhere")
    scratch.keep_compiled_code()
    assert os.environ[scratch.COMPILED] == "/elsewhere"
