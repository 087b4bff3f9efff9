"""Downloads: by https only, of a bounded size, renamed into place once verified.

The standard variables hold: HTTPS_PROXY and NO_PROXY; SSL_CERT_FILE for a host with a certificate
of your own. If ACTSTUDY_MIRROR=https://HOST/FOLDER is set, all files are fetched from there; it is
laid out as data/raw.
"""

import io
import os
import ssl
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch
import requests

from actstudy.contract import locks, store
from actstudy.data.archives import MAX_BYTES

TIMEOUT = 30  # seconds to wait for a host
PAUSES = (1, 4, None)  # seconds after each failed try; None: give up
CHUNK = 2**20  # bytes


class NotFetched(Exception):
    """Why a file was not fetched, in one line that names its address."""


class BoundedFile(io.BufferedWriter):
    """A file that does not grow beyond MAX_BYTES: OverflowError instead."""

    def write(self, chunk: Any) -> int:
        """Write one chunk."""
        if self.tell() + len(chunk) > MAX_BYTES:
            raise OverflowError
        return super().write(chunk)


def address(official: str | None, file: str) -> str | None:
    """The address of a file of data/raw: at the mirror if there is one, else the official one."""
    mirror = os.environ.get("ACTSTUDY_MIRROR")
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(file)}" if mirror else official


def fetch(url: str, path: Path, verify: Callable[[Path], object]) -> None:
    """Fetch a file unless it is there; it gets its name once `verify` accepts it.

    Raises NotFetched, or the disk's own error; both leave no part of the file behind.
    """
    refuse_unsafe(url, url)
    folder = path.with_name(f".{path.name}.partial")
    part = folder / path.name
    with locks.locked(folder):
        if path.is_file():  # fetched by another process meanwhile
            return
        print(f"fetching {url}", file=sys.stderr, flush=True)
        try:
            download(url, part)
            verify(part)
            with store.replacing(path) as draft:
                part.rename(draft)
        except store.Damaged:
            raise NotFetched(f"{url}: what arrived is not the official file") from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(part)) from None
        finally:
            part.unlink(missing_ok=True)


def download(url: str, part: Path) -> None:
    """Write what is at an address to a file; NotFetched after a fault that further tries keep."""
    certificates = ssl.get_default_verify_paths()
    get = pooch.HTTPDownloader(
        chunk_size=CHUNK,
        timeout=TIMEOUT,
        headers={"User-Agent": "actstudy", "Accept-Encoding": "identity"},
        hooks={"response": check_response},
        auth=lambda request: request,  # else a password of ~/.netrc would be sent
        verify=certificates.cafile or certificates.capath or True,
    )
    for pause in PAUSES:
        try:
            with BoundedFile(part.open("wb", buffering=0)) as file:
                return get(url, file, None)
        except OverflowError:
            limit = f"larger than {MAX_BYTES:,} bytes, the most that is fetched"
            raise NotFetched(f"{url}: {limit}") from None
        except ValueError as error:
            raise NotFetched(f"{url}: no address of a file ({error})") from None
        except requests.RequestException as error:
            response = error.response
            if pause is None or (response is not None and response.status_code < 500):
                raise NotFetched(f"{url}: {describe(error)}") from None
            time.sleep(pause)


def check_response(response: requests.Response, **_: Any) -> None:
    """Refuse a redirect to an unsafe address, and a body that is announced as too large.

    The body of a redirect is not read; that of a file is kept as it was sent.
    """
    response.raw.headers.pop("Content-Encoding", None)  # else a .gz may arrive unpacked
    announced = response.headers.get("Content-Length", "")
    if response.is_redirect:
        url = urllib.parse.urljoin(response.url, response.headers["Location"])
        refuse_unsafe(url, url.partition("?")[0])  # a signed address may hold an @ behind its ?
        response.raw.close()
        response.raw = io.BytesIO()
    elif announced.isdecimal() and int(announced) > MAX_BYTES:
        raise OverflowError


def describe(error: requests.RequestException) -> str:
    """The status of a response that is an error, else the innermost reason, in one line."""
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    reason: BaseException = error
    while (cause := reason.__cause__ or reason.__context__) is not None:
        reason = cause
    return " ".join(str(reason).split())


def refuse_unsafe(url: str, visible: str) -> None:
    """NotFetched if an address is not https, or if its `visible` part may hold a password.

    An address with a password is not repeated in the message.
    """
    if "@" in visible:
        raise NotFetched(
            "an address with @; "
            "allowed: an https address without user and password, an @ of a path as %40"
        )
    try:
        url.encode("ascii")
        scheme = urllib.parse.urlsplit(url).scheme
    except ValueError as error:
        raise NotFetched(f"{url}: no address of a file ({error})") from None
    if scheme != "https":
        raise NotFetched(f"{url}: allowed: an https address")
