"""A model in one file: a zip archive of .npy arrays and one JSON text. No pickle, so a file cannot bring code.

The JSON holds the architecture, the optimizer's settings, the random streams and, for every array, its shape, dtype and
SHA-256. The file ends with one more digest, the archive's comment, of all the bytes before it: a zip archive has places,
such as dates, that nobody else would miss. A file is written beside its place, flushed to disk and then renamed, so that a
crash leaves the file that was there before. `numpy.load` opens the arrays without minicae.
"""

import hashlib
import io
import json
import pathlib
import zipfile

import numpy as np

from minicae import shapes
from minicae.errors import CheckpointError
from minicae.files import as_path, replacing

VERSION = 2  # in version 1, the comment was the digest of the JSON text alone
HEADER = "minicae.json"
CHUNK = 2**20  # bytes that are looked at at a time
SEAL = hashlib.sha256().digest_size * 2  # characters of the digest at the end


def _digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def write(path, header: dict, tensors: dict[str, np.ndarray]) -> pathlib.Path:
    """Save `header` (what JSON can hold) and named arrays to `path`. Returns the path.

    CheckpointError where it cannot be written; a file that was there before is kept.
    """
    path = as_path(path)
    tensors = {name: np.asarray(array, array.dtype.newbyteorder("=")) for name, array in tensors.items()}
    described = {name: {"shape": a.shape, "dtype": a.dtype.name, "sha256": _digest(a)} for name, a in tensors.items()}
    text = json.dumps({"format": "minicae", "version": VERSION, "tensors": described, **header}, indent=1).encode()
    try:
        with replacing(path) as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.comment = bytes(SEAL)
                archive.writestr(HEADER, text)
                for name, array in tensors.items():
                    buffer = io.BytesIO()
                    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
                    archive.writestr(f"{name}.npy", buffer.getbuffer())
            seal(file)
    except OSError as error:
        kept = "; the file that was there is kept" if path.is_file() else ""
        raise CheckpointError(f"{path}: cannot be written ({error.strerror or error}){kept}") from None
    return path


def seal(file) -> None:
    """Write, into the last bytes of a file open for reading and writing, the digest of all before them."""
    digest = _digest_before_seal(file)
    file.seek(-SEAL, io.SEEK_END)
    file.write(digest)


def _digest_before_seal(file):
    left = file.seek(0, io.SEEK_END) - SEAL
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (chunk := file.read(min(left, CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode()


def read(path) -> tuple[dict, dict[str, np.ndarray]]:
    """(header, arrays) of a saved model; CheckpointError with the path and the reason for whatever is wrong with it."""
    path = as_path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            return _read(archive, file)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.message}") from None
    except Exception as error:  # a damaged archive fails in more ways than can be listed
        raise CheckpointError(f"{path}: damaged, or no model of minicae ({error})") from None


def _read(archive, file):
    sealed, size = _digest_before_seal(file) == archive.comment, file.tell() + SEAL
    members = {info.filename: info for info in archive.infolist()}
    if any(info.compress_type != zipfile.ZIP_STORED or info.file_size > size for info in members.values()):
        raise CheckpointError("an entry claims to be larger than the file")
    text = archive.read(HEADER)
    if not sealed and hashlib.sha256(text).hexdigest().encode() != archive.comment:
        raise CheckpointError("the file does not match its digest: it is damaged")
    header = json.loads(text)
    version = VERSION if sealed else 1
    if header.get("format") != "minicae" or header.get("version") != version:
        raise CheckpointError(
            f"format {header.get('format')!r} version {header.get('version')!r}: versions 1 to {VERSION} are read here"
        )
    tensors = {}
    for name, described in header["tensors"].items():
        shape = tuple(shapes.integer(size, "shape", 0) for size in described["shape"])
        dtype, content = np.dtype(described["dtype"]), archive.read(f"{name}.npy")
        start = len(content) - shapes.count(shape) * dtype.itemsize  # an .npy file ends with the numbers
        if dtype.kind not in "fiub" or start < 0:
            raise CheckpointError(f"{name} claims shape {shape} and dtype {dtype}, more than the file holds")
        if hashlib.sha256(content[start:]).hexdigest() != described["sha256"]:
            raise CheckpointError(f"{name} does not match its digest: the file is damaged")
        tensors[name] = np.frombuffer(content, dtype, offset=start).reshape(shape).copy()
    return header, tensors
