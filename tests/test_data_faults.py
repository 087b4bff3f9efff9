"""Faults of data, each one line that says what to do; downloads from a host of the tests."""

import errno
import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import re
import shutil
import ssl
import subprocess
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actstudy.commands import cli
from actstudy.contract import errors, registry, store
from actstudy.data import archives, download, official, prepared
from actstudy.data.sets import ag_news, cifar, mnist, tiny_imagenet

WHOLE = np.random.default_rng(0).bytes(50_000)
GOOD = gzip.compress(WHOLE)
SHA256 = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Declares a data set's one file `a/file`, and its archive; data/raw is empty."""
    monkeypatch.setattr(official, "RAW", tmp_path)
    monkeypatch.setattr(download, "PAUSES", (0, 0, None))

    def declare(archive=None, **what):
        about = {"files": {"a/file": what}, "source": "a shelf", "classes": 4}
        monkeypatch.setattr(
            registry, "dataset", lambda name: about | ({"archive": archive} if archive else {})
        )

    return declare


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """An empty data/raw, and data sets without checksums, so that files may be small ones."""
    whole = registry.dataset
    monkeypatch.setattr(official, "RAW", tmp_path)
    monkeypatch.setattr(
        registry,
        "dataset",
        lambda name: whole(name) | {"files": {file: {} for file in whole(name)["files"]}},
    )
    return tmp_path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and the certificate of 127.0.0.1 in one file."""
    if not shutil.which("openssl"):
        pytest.skip("the program openssl is not there")
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    words = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=here"
    )
    words += f" -addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    """A host's answers, by the address' first part: whole, broken off, moved, absent.

    `asked` lists each path, and the range that was asked for.
    """

    asked: list[tuple[str, str | None]]
    body = GOOD

    def do_GET(self):
        self.asked.append((self.path, self.headers["Range"]))
        kind = self.path.split("/")[1]
        body = type(self).body
        if kind == "stall":
            time.sleep(1)
        if kind in ("none", "busy", "away"):
            self.send_response({"none": 404, "busy": 503, "away": 302}[kind])
            self.send_header("Location", f"http://{self.headers['Host']}/good")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(200)
        if kind == "other":
            body = b"x" * len(body)
        if kind == "encoded":
            self.send_header("Content-Encoding", "gzip")
        if kind != "no_length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = kind == "cut" or (kind == "cut_once" and len(self.asked) == 1)
        self.wfile.write(body[: 10_000 if cut else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def host(certificate, monkeypatch):
    """The address of a host that is trusted, and what it was asked for."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "ACTSTUDY_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    handler = type("Here", (Handler,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # a client that hangs up, as one with a limit does
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", handler.asked
    server.shutdown()
    server.server_close()


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != ".locks"
    )


def refusal(message, call=lambda: official.content("x", "a/file")):
    with pytest.raises((store.Damaged, errors.StudyError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_fetched_file_is_kept(declared, host, tmp_path):
    declared(url=f"{host[0]}/good", sha256=SHA256)
    assert official.content("x", "a/file") == WHOLE
    assert official.content("x", "a/file") == WHOLE
    assert host[1] == [("/good", None)]
    assert files(tmp_path) == ["a/file.gz"]
    assert (tmp_path / "a/file.gz").read_bytes() == GOOD


@pytest.mark.parametrize("kind", ["no_length", "encoded"])
def test_a_file_is_kept_as_it_was_sent(declared, host, tmp_path, kind):
    declared(url=f"{host[0]}/{kind}", sha256=SHA256)
    assert official.content("x", "a/file") == WHOLE
    assert (tmp_path / "a/file.gz").read_bytes() == GOOD


def test_a_download_that_breaks_off_is_tried_again(declared, host, tmp_path):
    declared(url=f"{host[0]}/cut_once", sha256=SHA256)
    assert official.content("x", "a/file") == WHOLE
    assert host[1] == [("/cut_once", None)] * 2
    assert files(tmp_path) == ["a/file.gz"]


def test_a_download_that_always_breaks_off_leaves_nothing(declared, host, tmp_path):
    declared(url=f"{host[0]}/cut", sha256=SHA256)
    refusal(
        r"data/raw/a/file is missing "
        r"\(https.*/cut: .*10000 bytes read, 40\d+ more expected.*\); to fix"
    )
    assert host[1] == [("/cut", None)] * 3
    assert files(tmp_path) == []
    declared(url=f"{host[0]}/good", sha256=SHA256)
    assert official.content("x", "a/file") == WHOLE
    assert host[1][-1] == ("/good", None)


@pytest.mark.parametrize(
    "part",
    [GOOD[:10_000], b"y" * 10_000, b"y" * len(GOOD), GOOD, GOOD + b"y"],
    ids=["begun", "begun wrong", "whole wrong", "whole", "too long"],
)
def test_what_a_killed_process_left_is_fetched_anew(declared, host, tmp_path, part):
    declared(url=f"{host[0]}/good", sha256=SHA256)
    (tmp_path / "a/.file.gz.partial").mkdir(parents=True)
    (tmp_path / "a/.file.gz.partial/file.gz").write_bytes(part)
    assert official.content("x", "a/file") == WHOLE
    assert host[1] == [("/good", None)]
    assert files(tmp_path) == ["a/file.gz"]
    assert (tmp_path / "a/file.gz").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("kind", "why", "times"),
    [
        ("other", "what arrived is not the official file", 1),
        ("none", "404 Not Found", 1),
        ("busy", "503 Service Unavailable", 3),
        ("away", r"allowed: an https address", 1),
    ],
)
def test_what_is_not_the_file_leaves_nothing(declared, host, tmp_path, kind, why, times):
    declared(url=f"{host[0]}/{kind}", sha256=SHA256)
    refusal(
        rf"data/raw/a/file is missing \(http.*: {why}\); to fix: put the official file there \(sha"
    )
    assert len(host[1]) == times
    assert files(tmp_path) == []


@pytest.mark.parametrize("kind", ["good", "no_length"])
def test_more_than_the_cap_is_not_fetched(declared, host, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(download, "MAX_BYTES", 40_000)
    monkeypatch.setattr(download, "CHUNK", 1000)
    declared(url=f"{host[0]}/{kind}", sha256=SHA256)
    refusal("larger than 40,000 bytes, the most that is fetched")
    assert len(host[1]) == 1
    assert files(tmp_path) == []


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_only_https_is_fetched(declared, tmp_path, scheme):
    (tmp_path / "there.gz").write_bytes(GOOD)
    declared(url=f"{scheme}://{tmp_path}/there.gz", sha256=SHA256)
    refusal(rf"data/raw/a/file is missing \({scheme}:.*allowed: an https address\)")


def test_an_unreachable_host_says_which_file_to_put_where(declared):
    declared(url="https://127.0.0.1:9/there.gz", sha256=SHA256)
    refusal(
        r"data/raw/a/file is missing \(https://127\.0\.0\.1:9/there\.gz: .*refused\); "
        r"to fix: put the official file "
        rf"there \(sha256 {SHA256}\), or https://127\.0\.0\.1:9/there\.gz as data/raw/a/file\.gz$"
    )


def test_a_host_that_does_not_answer_is_left(declared, host, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    monkeypatch.setattr(download, "PAUSES", (None,))
    declared(url=f"{host[0]}/stall", sha256=SHA256)
    refusal(r"a/file is missing \(https.*: .*timed out\); to fix")


def test_an_unknown_certificate_is_refused(declared, host, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    declared(url=f"{host[0]}/good", sha256=SHA256)
    refusal("certificate verify failed")
    assert host[1] == []


def test_without_a_checksum_nothing_is_fetched(declared, host):
    declared(url=f"{host[0]}/good")
    refusal(r"a/file is missing \(its source: a shelf\); to fix")
    assert host[1] == []


def test_a_mirror_is_asked_instead(declared, host, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTSTUDY_MIRROR", f"{host[0]}/good/shelf/")
    declared(url="https://127.0.0.1:9/there.gz", sha256=SHA256)
    assert official.content("x", "a/file") == WHOLE
    assert host[1] == [("/good/shelf/a/file.gz", None)]


def test_the_standard_proxy_variables_hold(declared, host, monkeypatch, tmp_path):
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_):
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("NO_PROXY", "elsewhere")
    declared(url=f"{host[0]}/good", sha256=SHA256)
    refusal("Tunnel connection failed: 403")
    assert asked == [host[0].removeprefix("https://")] * 3
    assert host[1] == []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert official.content("x", "a/file") == WHOLE
    assert len(asked) == 3
    proxy.shutdown()
    proxy.server_close()


def test_two_at_once_fetch_once(declared, host, monkeypatch):
    declared(url=f"{host[0]}/good", sha256=SHA256)
    found = []
    both = [
        threading.Thread(target=lambda: found.append(official.content("x", "a/file")))
        for _ in range(2)
    ]
    [one.start() for one in both]
    [one.join() for one in both]
    assert found == [WHOLE] * 2
    assert len(host[1]) == 1


READERS = {
    "content": lambda: official.content("x", "a/file"),
    "text": lambda: official.text("x", "a/file"),
    "rows": lambda: official.rows("x", "a/file", 3),
    "batch": lambda: cifar.batch("x", "a/file", "labels"),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_full_disk_is_named(declared, host, tmp_path, read):
    declared(url=f"{host[0]}/good", sha256=SHA256)
    (tmp_path / "a/.file.gz.partial").mkdir(parents=True)
    (tmp_path / "a/.file.gz.partial/file.gz").symlink_to("/dev/full")
    with pytest.raises(
        OSError, match=r"No space left on device: '.*a/\.file\.gz\.partial/file\.gz'"
    ):
        read()
    assert len(host[1]) == 1


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_disk_that_cannot_be_read_is_no_damage(declared, tmp_path, read):
    declared()
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match=r"Input/output error: 'data/raw/a/file'"):
        read()


def test_what_is_fetched_and_cannot_be_read_is_no_damage(declared, host, tmp_path, monkeypatch):
    def busy(*_):
        raise OSError(errno.EMFILE, "Too many open files", "some/file")

    declared(url=f"{host[0]}/good", sha256=SHA256)
    monkeypatch.setattr(archives, "content", busy)
    with pytest.raises(OSError, match=r"Too many open files: '.*a/\.file\.gz\.partial/file\.gz'"):
        official.content("x", "a/file")
    assert len(host[1]) == 1
    assert files(tmp_path) == []


def test_prepare_tells_the_systems_errors_in_one_line(raw, tmp_path, capsys):
    (raw / "MNIST/raw").mkdir(parents=True)
    (raw / "MNIST/raw/train-labels-idx1-ubyte").symlink_to("/proc/self/mem")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["prepare", "mnist", str(tmp_path / "made")])
    assert capsys.readouterr().err.endswith(
        "data/raw/MNIST/raw/train-labels-idx1-ubyte: Input/output error; to fix: look at its disk\n"
    )


def test_a_file_that_has_gone_is_missing(declared, monkeypatch, tmp_path):
    declared()
    monkeypatch.setattr(Path, "is_file", lambda path: path.name == "file")
    refusal(r"data/raw/a/file is missing; to fix: put it there again$")
    gone = {"some/one.JPEG": tmp_path / "one.JPEG"}
    refusal(
        r"data/raw/some/one.JPEG is missing; to fix: put it",
        lambda: tiny_imagenet.decode_chunk(gone),
    )


@pytest.mark.parametrize(
    ("mirror", "why"),
    [
        ("https://127.0.0.1:9/ü", "codec can't encode"),
        ("https://[bad", "Invalid IPv6 URL"),
        ("https://a..b/x", "label empty"),
        ("https://127.0.0.1:x", "not a valid host or port"),
    ],
)
def test_a_mirror_that_is_no_address_is_one_line(
    declared, monkeypatch, tmp_path, capsys, mirror, why
):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACTSTUDY_MIRROR", mirror)
    monkeypatch.setattr(download, "PAUSES", (9999, None))  # not tried again
    declared(url="https://127.0.0.1:9/there.gz", sha256=SHA256)
    refusal(
        rf"data/raw/a/file is missing \({re.escape(mirror)}.*: "
        rf"no address of a file \(.*{why}.*to fix: put"
    )
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "mirror",
    [
        "https://user:secret@127.0.0.1:9",
        "http://secret@a",
        "https://user:secret@[bad",
        "https://u:a?secret@a",
    ],
)
def test_a_password_is_not_printed(declared, monkeypatch, capsys, mirror):
    monkeypatch.setenv("ACTSTUDY_MIRROR", mirror)
    declared(url="https://127.0.0.1:9/there.gz", sha256=SHA256)
    with pytest.raises(
        store.Damaged, match=r"is missing \(an address with @; allowed: an https address"
    ) as caught:
        official.content("x", "a/file")
    assert "secret" not in str(caught.value) + "".join(capsys.readouterr())


def test_an_archive_is_unpacked_once_for_all_its_members(declared, tmp_path, monkeypatch):
    asked, whole = [], archives.gunzip
    monkeypatch.setattr(archives, "gunzip", lambda path: asked.append(path) or whole(path))
    declared({"file": "shelf.tgz"})
    (tmp_path / "shelf.tgz").write_bytes(tarred())
    assert official.content("x", "a/file") == official.content("x", "a/file") == WHOLE
    assert len(asked) == 1
    (tmp_path / "shelf.tgz").write_bytes(tarred(content=WHOLE[::2]))
    assert official.content("x", "a/file") == WHOLE[::2]
    assert len(asked) == 2


def test_no_archive_is_kept_after_preparation(signals, tmp_path):
    (tmp_path / "shelf.tgz").write_bytes(tarred())
    archives.content(tmp_path / "shelf.tgz", "a/file")
    assert archives.unpack_tar.cache_info().currsize == 1
    prepared.prepare("mnist1d", tmp_path / "made")
    assert archives.unpack_tar.cache_info().currsize == 0


def test_an_offset_before_the_beginning_of_a_zip_is_damage(declared, tmp_path):
    declared({"file": "shelf.zip"})
    made = bytearray(zipped())
    made[-10:-6] = (len(made) + 99).to_bytes(4, "little")  # the size of the directory
    (tmp_path / "shelf.zip").write_bytes(made)
    refusal(r"data/raw/shelf\.zip \(a/file\) is damaged")


def zipped(name="a/file", content=WHOLE):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return made.getvalue()


def tarred(name="a/file", content=WHOLE, kind=tarfile.REGTYPE, link=""):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, link, 0 if link else len(content)
        archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize(("name", "made"), [("shelf.zip", zipped), ("shelf.tgz", tarred)])
def test_an_archive_is_fetched_if_all_of_it_verifies(
    declared, host, tmp_path, monkeypatch, name, made
):
    monkeypatch.setattr(Handler, "body", made())
    declared({"file": name, "url": f"{host[0]}/good"}, sha256=SHA256)
    registry.dataset("x")["files"]["a/other"] = {"sha256": SHA256}
    refusal("a/file is missing .*what arrived is not the official file")
    assert files(tmp_path) == []
    declared({"file": name, "url": f"{host[0]}/good"}, sha256=SHA256)
    assert official.content("x", "a/file") == WHOLE
    assert files(tmp_path) == [name]


PACKED = {
    "a/file.gz": gzip.compress,
    "shelf.zip": lambda x: zipped(content=x),
    "shelf.tgz": lambda x: tarred(content=x),
}


@pytest.fixture(params=PACKED)
def pack(request, declared, tmp_path):
    """Declares `a/file` with a checksum and puts its content there, packed; returns its name."""
    name = request.param
    (tmp_path / "a").mkdir()

    def put(content=WHOLE, raw=None, official=WHOLE):
        declared(
            {"file": name} if name.startswith("shelf") else None,
            sha256=hashlib.sha256(official).hexdigest(),
        )
        (tmp_path / name).write_bytes(PACKED[name](content) if raw is None else raw)
        archives.unpack_tar.cache_clear()  # of another content within a clock's tick
        return re.escape(f"data/raw/{name}")

    put.made = PACKED[name]
    return put


def test_a_cut_archive_is_damaged_wherever_it_is_cut(pack):
    made = pack.made(WHOLE)
    for end in [0, 1, 5, 20, 100, len(made) // 2, len(made) - 1000, len(made) - 9, len(made) - 1]:
        where = pack(raw=made[:end])
        refusal(rf"{where}.* is (damaged \(.+\)|empty); to fix: rm it and put it there again")


def test_a_flipped_byte_is_damaged_or_does_no_harm(pack):
    """Every byte of a small archive in turn: no error but one line, and never another content."""
    small, said = b"some words " * 3, []
    for number in range(len(made := pack.made(small))):
        pack(raw=made[:number] + bytes([made[number] ^ 0x11]) + made[number + 1 :], official=small)
        try:
            assert official.content("x", "a/file") == small
        except store.Damaged as error:
            said.append(str(error))
    assert len(said) > 20
    assert not any("\n" in line for line in said)


def test_another_content_is_not_the_official_file(pack):
    got = hashlib.sha256(b"another").hexdigest()
    where = pack(b"another")
    refusal(
        rf"is not the official file \(sha256: got {got}; allowed: {SHA256}\): "
        "it is damaged or another edition; to fix: rm it and put the official file there"
    )
    where = pack(b" \n")
    refusal(rf"{where}( \(a/file\))? is empty; to fix: rm it")


def test_an_archive_that_unpacks_to_too_much_is_refused(pack, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 49_999)
    refusal(rf"{pack()}.* is damaged \(more than 49,999 bytes\)")


def test_an_md5_is_checked_where_no_other_is_published(declared, tmp_path):
    declared(md5="0" * 32)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(WHOLE)
    refusal(r"data/raw/a/file is not the official file \(md5: got [0-9a-f]{32}; allowed: 0{32}\)")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_no_link_of_an_archive_is_followed(declared, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    declared({"file": "shelf.tgz"})
    (tmp_path / "shelf.tgz").write_bytes(tarred(kind=kind, link=str(secret)))
    refusal(r"data/raw/shelf\.tgz \(a/file\) is damaged \(a/file is no plain file\)")


def test_members_of_other_names_are_left_alone(declared, tmp_path):
    declared({"file": "shelf.tgz"})
    (tmp_path / "shelf.tgz").write_bytes(tarred("../a/file"))
    refusal(r"data/raw/shelf\.tgz \(a/file\) is damaged \(filename 'a/file' not found\)")
    declared({"file": "shelf.zip"})
    (tmp_path / "shelf.zip").write_bytes(zipped("../a/file"))
    refusal(
        r"data/raw/shelf\.zip \(a/file\) is damaged "
        r"\(There is no item named 'a/file' in the archive\)"
    )
    assert files(tmp_path) == ["shelf.tgz", "shelf.zip"]


def test_a_pickle_runs_no_code(raw):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {raw}/ran",)

    file = "cifar-10-batches-py/test_batch"
    (raw / file).parent.mkdir()
    (raw / file).write_bytes(pickle.dumps({"data": Evil(), "labels": []}))
    refusal(
        rf"data/raw/{file} is damaged \(names posix\.system\); to fix",
        lambda: cifar.batch("cifar10", file, "labels"),
    )
    assert not (raw / "ran").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('"5","a","b"\n', "row 81: got label 5; allowed: 1 to 4"),
        ('"zero","a","b"\n', "row 81: got label zero; allowed: 1 to 4"),
        ('"1","a"\n', "row 81: got 2 columns; allowed: 3"),
        (f'"1","a","{"b" * 140_000}', r"is damaged \(field larger than field limit"),
        ('"1","a","b","c"\n', "row 81: got 4 columns; allowed: 3; it is another edition"),
        ('"1";"a";"b"\n', "row 81: got 1 column; allowed: 3; it is another edition"),
        ('"1","a","half of', "is cut: it ends inside quotes"),
        (b"\xff", "byte 1,910 is not UTF-8; it is another edition"),
    ],
)
def test_faults_of_a_table_of_news(raw, table, message):
    (raw / "ag_news_csv").mkdir()
    good = "".join(f'"{k % 4 + 1}","A title","Text {k}"\n' for k in range(80)).encode()
    (raw / "ag_news_csv/train.csv").write_bytes(
        good + (table if isinstance(table, bytes) else table.encode())
    )
    refusal(
        rf"data/raw/ag_news_csv/train\.csv:? {message}.*; to fix: rm it and put",
        lambda: ag_news.read("train"),
    )
    (raw / "ag_news_csv/train.csv").write_bytes(
        good.replace(b'"3"', b'"1"').replace(b'"4"', b'"1"')
    )
    refusal(
        r"train\.csv: no example of class 3, 4; allowed: 1 to 4; it is another edition or",
        lambda: ag_news.read("train"),
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda text: f"Class Index,Title,Description\n{text}",
            r"has a header \(Class Index, .*Kaggle",
        ),
        (lambda text: text.translate(str.maketrans("1234", "0123")), "counts classes from 0"),
    ],
)
def test_another_edition_of_the_news_is_named(raw, edit, message):
    (raw / "ag_news_csv").mkdir()
    good = "".join(f'"{k % 4 + 1}","A title","A text"\n' for k in range(80))
    (raw / "ag_news_csv/train.csv").write_text(edit(good))
    refusal(
        rf"train\.csv {message}.*; to fix: rm it and put the official file there",
        lambda: ag_news.read("train"),
    )


@pytest.mark.parametrize("edit", ["\ufeff{}", "{}\n", "{}\r\n\n", "\n{}"])
def test_what_an_editor_adds_changes_nothing(raw, edit):
    (raw / "ag_news_csv").mkdir()
    good = "".join(f'"{k % 4 + 1}","A title","Text {k}"\n' for k in range(80))
    (raw / "ag_news_csv/train.csv").write_text(edit.format(good))
    texts, labels = ag_news.read("train")
    assert texts.tolist() == [f"A title Text {k}" for k in range(80)]
    assert labels.tolist() == [k % 4 for k in range(80)]


def idx(array):
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "train-labels-idx1-ubyte",
            idx((np.arange(60) % 11).astype(np.uint8)),
            "row 11: got label 10; allowed: 0 to 9",
        ),
        (
            "train-labels-idx1-ubyte",
            idx((np.arange(60) % 9).astype(np.uint8)),
            "no example of class 9; allowed",
        ),
        (
            "train-images-idx3-ubyte",
            idx(np.zeros((60, 28, 28), np.uint8))[:-1],
            r"is damaged \(cannot reshape",
        ),
        ("train-images-idx3-ubyte", b"\0\0", r"is damaged \(index out of range"),
    ],
)
def test_faults_of_idx_files(raw, file, content, message):
    (raw / "MNIST/raw").mkdir(parents=True)
    (raw / "MNIST/raw/train-labels-idx1-ubyte").write_bytes(
        idx((np.arange(60) % 10).astype(np.uint8))
    )
    (raw / "MNIST/raw" / file).write_bytes(content)
    refusal(
        rf"data/raw/MNIST/raw/{file}:? {message}.*; to fix: rm it and put (it|the official file)",
        mnist.prepare,
    )


def test_faults_of_tiny_imagenet(raw, monkeypatch):
    root = raw / "tiny-imagenet-200"
    for wnid in ("n1", "n2"):
        (root / f"train/{wnid}/images").mkdir(parents=True)
    (root / "val/images").mkdir(parents=True)
    (root / "wnids.txt").write_text("n1\nn2\n")
    image = Image.new("RGB", (64, 64))
    image.save(root / "train/n1/images/n1_0.JPEG")
    notes = root / "val/val_annotations.txt"
    notes.write_text("val_0.JPEG\tn1\t0\t0\t63\t63\nval_1.JPEG\tn3\t0\t0\t63\t63\n")
    refusal(
        r"val/val_annotations\.txt: row 2: got class 'n3'; allowed: of wnids\.txt; to fix",
        tiny_imagenet.prepare,
    )
    notes.write_text("val_0.JPEG\tn1\t0\t0\t63\t63\n")
    absent = (
        r"image of class n2 \(1 classes absent\); "
        r"allowed: images of all 2 classes of wnids\.txt; to fix"
    )
    refusal(f"data/raw/tiny-imagenet-200 has no train {absent}", tiny_imagenet.prepare)
    image.save(root / "train/n2/images/n2_0.JPEG")
    refusal(f"data/raw/tiny-imagenet-200 has no val {absent}", tiny_imagenet.prepare)


@pytest.mark.parametrize(
    ("size", "kind", "message"),
    [
        ((64, 32), "JPEG", r"is damaged \(got 64 x 32 pixels; allowed: 64 x 64\); to fix: rm it"),
        ((64, 64), "PNG", r"is damaged \(cannot identify image file.*to fix: rm it"),
    ],
)
def test_another_image_is_named(size, kind, message):
    made = io.BytesIO()
    Image.new("RGB", size).save(made, kind)
    refusal(
        f"data/raw/some/one.JPEG {message}",
        lambda: tiny_imagenet.decode_chunk({"some/one.JPEG": made.getvalue()}),
    )


def test_a_flipped_byte_of_an_image_is_one_line_at_most():
    made, said = io.BytesIO(), []
    Image.new("RGB", (64, 64)).save(made, "JPEG")
    for number in range(len(jpeg := made.getvalue())):
        for flip in (1, 0x11, 0xFF):
            try:
                tiny_imagenet.decode_chunk(
                    {"one": jpeg[:number] + bytes([jpeg[number] ^ flip]) + jpeg[number + 1 :]}
                )
            except store.Damaged as error:
                said.append(str(error))
    assert len(said) > 50
    assert not any("\n" in line for line in said)
    size = jpeg.index(b"\x00\x40\x00\x40")
    vast = jpeg[:size] + b"\xff\xf0\xff\xf0" + jpeg[size + 4 :]
    refusal(
        "data/raw/one is damaged .*decompression bomb",
        lambda: tiny_imagenet.decode_chunk({"one": vast}),
    )


@pytest.fixture
def signals(monkeypatch):
    """Replaces the splits of MNIST-1D by random ones: train, val and test of 100, 50 and 1000."""
    rng = np.random.default_rng(0)
    splits = {
        split: {"x": rng.normal(size=(n, 40)).astype(np.float32), "y": np.arange(n) % 10}
        for split, n in (("train", 100), ("val", 50), ("test", 1000))
    }
    monkeypatch.setattr("actstudy.data.sets.mnist1d.prepare", lambda: splits)
    return splits


def manifest(folder):
    prepared.prepare("mnist1d", folder)
    return json.loads((folder / "manifest.json").read_text())


def test_examples_in_two_splits_are_counted_and_told(signals, tmp_path, capsys):
    assert "duplicates_across_splits" not in manifest(tmp_path)
    signals["test"]["x"][:7] = signals["train"]["x"][:7]
    signals["test"]["x"][7:10] = signals["val"]["x"][:3]
    assert manifest(tmp_path)["duplicates_across_splits"] == {"test": 10}
    assert (
        capsys.readouterr().err
        == "mnist1d: 10 of 1,000 test examples also stand in another split\n"
    )


def test_splits_that_share_more_are_refused(signals, tmp_path):
    signals["val"]["x"][:2] = signals["train"]["x"][:2]
    refusal(
        "mnist1d: 2 of 50 val examples also stand in another split; allowed: 1; to fix",
        lambda: prepared.prepare("mnist1d", tmp_path),
    )
    assert files(tmp_path) == []


def test_one_of_few_may_stand_in_two_splits(signals, tmp_path):
    signals["val"]["x"][0] = signals["train"]["x"][0]
    assert manifest(tmp_path)["duplicates_across_splits"] == {"val": 1}


@pytest.mark.parametrize(
    ("split", "row", "label", "message"),
    [
        ("test", 12, 10, "label 10 in row 12; allowed"),
        ("val", 3, -1, "label -1 in row 3; allowed"),
    ],
)
def test_a_label_out_of_range_is_named(signals, tmp_path, split, row, label, message):
    signals[split]["y"][row] = label
    refusal(
        rf"mnist1d: split {split}: got x .*, {message}",
        lambda: prepared.prepare("mnist1d", tmp_path),
    )


def test_absent_classes_are_named(signals, tmp_path):
    signals["val"]["y"] %= 8
    refusal(
        r"mnist1d: split val: got x .*, no example of class 8, 9; allowed",
        lambda: prepared.prepare("mnist1d", tmp_path),
    )


@pytest.mark.parametrize("point", ["train_x.npy/draft", "val_y.npy/rename", "manifest.json/rename"])
def test_a_full_disk_leaves_data_that_are_prepared_again(signals, tmp_path, monkeypatch, point):
    (tmp_path / "calm").mkdir()
    prepared.prepare("mnist1d", tmp_path / "calm")
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.setenv("ACTSTUDY_FAULT", f"{point}:full")
    with pytest.raises(OSError, match="No space left on device"):
        prepared.prepare("mnist1d", made)
    assert "manifest.json" not in files(made)
    monkeypatch.delenv("ACTSTUDY_FAULT")
    prepared.prepare("mnist1d", made)
    assert prepared.load(made).sha256 == prepared.load(tmp_path / "calm").sha256
