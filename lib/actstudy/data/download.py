"""Downloads: by https alone, of a bounded size, resumed where they broke off, kept by rename once they verify.

The standard variables hold: HTTPS_PROXY and NO_PROXY, SSL_CERT_FILE for a host with a certificate of one's own.
ACTSTUDY_MIRROR=https://HOST/FOLDER fetches all files from there instead, laid out as in data/raw.
"""

import errno
import http.client
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actstudy.contract import store

LIMIT = (
    2**28
)  # bytes of an official file, fetched or unpacked; the largest that are read have 248 and 155 million
SECONDS = 30  # to wait for a host
PAUSES = (1, 4, None)  # seconds after each failed try; None: give up
CHUNK = 2**20
HERE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
)  # of this computer, not of the network


class NotFetched(Exception):
    """Why a file was not fetched, in one line that names its address."""


def address(official: str | None, file: str) -> str | None:
    """Where a file of data/raw is fetched from: the mirror where one is set, else its official address, if any."""
    mirror = os.environ.get("ACTSTUDY_MIRROR")
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(file)}" if mirror else official


def fetched(url: str, path: Path, verify: Callable[[Path], object]) -> Path:
    """The path of a file, fetched once `verify` has passed; NotFetched, or the disk's own error, says why it is not.

    What arrived before a break or a kill stays in the folder .NAME.partial beside it, from where the next try goes on.
    """
    url, folder = secure(url), path.with_name(f".{path.name}.partial")
    part = folder / path.name
    with store.locked(folder):
        if path.is_file():  # by another process, while this one waited
            return path
        print(f"fetching {url}", file=sys.stderr, flush=True)
        for pause in PAUSES:
            if tried(url, part, verify, last=pause is None):
                break
            time.sleep(pause or 0)
        with store.replacing(path) as draft:
            part.rename(draft)
    return path


def tried(url: str, part: Path, verify: Callable[[Path], object], last: bool) -> bool:
    """Whether the file is there and verifies after one more try; NotFetched where another one would not help."""
    resumed = part.is_file()
    try:
        append(url, part)
        verify(part)
        return True
    except store.Damaged:
        part.unlink()  # where it was resumed, the first part may be to blame: once more, whole
        fault = "what arrived is not the official file"
        last |= not resumed
    except urllib.error.HTTPError as error:
        fault, last = f"{error.code} {error.reason}", last or error.code < 500
    except (ValueError, http.client.InvalidURL) as error:
        fault, last = f"no address of a file ({error})", True
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and (error.filename or error.errno in HERE):
            raise OSError(error.errno, error.strerror, str(part)) from None
        fault = " ".join(str(getattr(error, "reason", error)).split())
    if last:
        raise NotFetched(f"{url}: {fault}")
    return False


def append(url: str, part: Path) -> None:
    """Fetch what is missing of a file; a host that cannot resume sends it whole."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "actstudy"} | ({"Range": f"bytes={have}-"} if have else {})
    opener = urllib.request.build_opener(SecureRedirects)  # reads the proxy variables
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  (`secure` has passed it)
        response = opener.open(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # nothing comes after what is there: `verify` tells whether it is whole
        raise
    with (
        response,
        part.open("ab" if response.status == http.HTTPStatus.PARTIAL_CONTENT else "wb") as handle,
    ):
        while chunk := response.read(CHUNK):
            handle.write(chunk)
            if handle.tell() + (response.length or 0) > LIMIT:
                part.unlink()
                raise NotFetched(f"{url}: larger than {LIMIT:,} bytes, the most that is fetched")
        if response.length:
            raise ConnectionError(f"broke off {response.length:,} bytes before its end")


def secure(url: str, redirected: bool = False) -> str:
    """The address itself where it is an https one, else NotFetched; one that may hold a password is not repeated."""
    if "@" in (
        url.partition("?")[0] if redirected else url
    ):  # a signed address may hold one behind its ?
        raise NotFetched(
            "an address with @; allowed: an https address without user and password, an @ of a path as %40"
        )
    try:
        scheme = urllib.parse.urlsplit(url).scheme
    except ValueError as error:
        raise NotFetched(f"{url}: no address of a file ({error})") from None
    if scheme != "https":
        raise NotFetched(f"{url}: allowed: an https address")
    return url


class SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect away from https."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """The request that a redirect asks for."""
        return super().redirect_request(
            req, fp, code, msg, headers, secure(newurl, redirected=True)
        )
