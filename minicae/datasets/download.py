"""Finding the files of a published data set on this machine, and fetching those that are missing.

A file is looked for in the folder that the environment variable MINICAE_DATA names, then in the cache folder.
What is nowhere is downloaded from several mirrors in turn, into a temporary file that takes its final name
only when its MD5 digest is right: an interrupted or falsified download leaves nothing behind. `find_archive`
and `fetch_archive` are the two halves, and `mnist.py` joins them. What the files contain is deliberately not
looked at here.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from minicae.errors import DatasetError
from minicae.files import replacing

CHUNK = 2**16  # bytes


def cache_folder() -> Path:
    """The folder for what minicae downloads or generates: MINICAE_CACHE, or one in the user's cache.

    Raises
    ------
    DatasetError
        When MINICAE_CACHE is not set and the user has no home folder.
    """
    try:
        if chosen := os.environ.get("MINICAE_CACHE"):
            return Path(chosen).expanduser()
        if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
            return Path(local) / "minicae"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minicae"
    except RuntimeError as fault:
        raise DatasetError(f"no cache folder: {fault} Set MINICAE_CACHE to a folder.") from fault


def download_folder(dataset: str, path: str | os.PathLike | None = None) -> Path:
    """Where downloads of a data set are kept: the folder `dataset` in `path`, or in the cache folder."""
    return (cache_folder() if path is None else Path(path).expanduser()) / dataset


def search_folders(dataset: str, path: str | os.PathLike | None = None) -> list[Path]:
    """The folders in which a data set may lie, first choice first.

    Parameters
    ----------
    dataset : name of the data set's own folder, such as `mnist`.
    path : a folder to search instead of MINICAE_DATA and the cache; its subfolder `dataset` comes first.
    """
    chosen = path if path is not None else os.environ.get("MINICAE_DATA")
    given = [Path(chosen).expanduser() / dataset, Path(chosen).expanduser()] if chosen else []
    return given if path is not None else [*given, download_folder(dataset)]


def find_archive(name: str, folders: Sequence[Path]) -> Path | None:
    """The first file in the folders called `name`, with or without its ending `.gz`; else None."""
    candidates = (folder / spelling for folder in folders for spelling in (name, name.removesuffix(".gz")))
    return next((file for file in candidates if file.is_file()), None)


def fetch_archive(
    name: str, md5: str, mirrors: Sequence[str], folder: Path, max_bytes: int, timeout: float = 20.0
) -> Path:
    """Download a file from the first mirror that gives it whole.

    Parameters
    ----------
    name : the file's name, at the end of each mirror's address and in `folder`.
    md5 : hexadecimal MD5 digest that the download must have.
    mirrors : addresses to try in turn, each ending in a slash.
    folder : where to save it; made if missing.
    max_bytes : a longer download is given up.
    timeout : longest silence of a server, in seconds.

    Returns
    -------
    The path of the file, complete and verified.

    Raises
    ------
    DatasetError
        When no mirror gave the file, with each address and reason on a line; when it cannot be saved.
    """
    import http.client

    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise DatasetError(f"{folder}: cannot be made ({fault.strerror}); set MINICAE_CACHE") from fault
    tried = []
    for mirror in mirrors:
        try:
            with replacing(target) as file:
                _download(mirror + name, file, md5, max_bytes, timeout)
            return target
        except (OSError, http.client.HTTPException, ValueError) as fault:
            tried.append(f"tried {mirror}{name}: {str(fault) or type(fault).__name__}")
    raise DatasetError("\n  ".join([f"{name} could not be downloaded", *tried]))


def _download(url: str, file: BinaryIO, md5: str, max_bytes: int, timeout: float) -> None:
    """Write what `url` gives to `file`; raise unless it is whole, short enough and has the digest."""
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "minicae"})
    digest = hashlib.md5(usedforsecurity=False)
    received = 0
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        promised = int(answer.headers.get("Content-Length") or 0)
        with _progress(url.rsplit("/", 1)[-1], promised) as advance:
            while chunk := answer.read(CHUNK):
                received += len(chunk)
                if received > max_bytes:
                    raise DatasetError(f"longer than the {max_bytes:,} bytes that it can have")
                file.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
    if received < promised:
        raise DatasetError(f"cut off after {received:,} of {promised:,} bytes")
    if digest.hexdigest() != md5:
        raise DatasetError(f"its MD5 digest is {digest.hexdigest()}, it should be {md5}")


@contextlib.contextmanager
def _progress(name: str, total: int) -> Iterator:
    """A progress bar on a terminal's stderr: gives the function that moves it on by a number of bytes."""
    try:
        from tqdm import tqdm
    except ImportError:  # a bar is a comfort, no reason to fail
        yield lambda count: None
        return
    with tqdm(desc=name, total=total or None, unit="B", unit_scale=True, file=sys.stderr, disable=None) as bar:
        yield bar.update
