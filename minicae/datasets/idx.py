"""Reading and writing IDX, the file format of MNIST: a short header, then the numbers of one array.

A header is two zero bytes, a byte for the dtype, a byte for the number of dimensions, and each dimension as a
big-endian 32-bit integer; the numbers follow in C order, big-endian. The file may be packed with gzip, which
is seen from its first bytes and not from its name. Nothing in a header is believed until the file bears it
out: sizes are compared before memory is taken, and never more is unpacked than the header claims. Start with
`read_idx`.

Source: the format's description on Yann LeCun's MNIST page.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minicae.errors import DatasetError, SettingError
from minicae.files import replacing

GZIP_MAGIC = b"\x1f\x8b"
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 32
# deflate spends at least one bit on 129 bytes: no archive holds more than this for each of its own bytes
DEFLATE_RATIO = 1032


def read_idx(path: str | os.PathLike, max_bytes: int = 2**32) -> np.ndarray:
    """The array in an IDX file, gzipped or plain.

    Parameters
    ----------
    path : file to read.
    max_bytes : largest array accepted, in bytes.

    Returns
    -------
    New array in C order, of the shape in the header; dtype uint8, int8, int16, int32, float32 or float64, in
    the machine's own byte order.

    Raises
    ------
    DatasetError
        For a file that is missing, damaged, truncated, too long or too large, with its path and the reason.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise DatasetError("not a regular file")
        with open(path, "rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not packed:
                return _read_array(raw, size, max_bytes, exact=True)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _read_array(unpacked, size * DEFLATE_RATIO, max_bytes, exact=False)
    except EOFError:
        reason = "the gzip archive is cut off"
    except (gzip.BadGzipFile, zlib.error) as fault:
        reason = f"the gzip archive is damaged ({fault})"
    except DatasetError as fault:
        reason = fault.message
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
    except MemoryError:
        reason = "the array does not fit in memory"
    raise DatasetError(f"{path}: {reason}")


def write_idx(path: str | os.PathLike, array: np.ndarray) -> None:
    """Write an array as IDX, gzipped if the name ends in `.gz`; the same array always gives the same bytes.

    Parameters
    ----------
    path : file to write, replaced if it is there.
    array : any shape of 1 to 32 dimensions; uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    SettingError
        For a dtype or a shape that IDX cannot say.
    DatasetError
        When the file cannot be written.
    """
    content = idx_bytes(array)
    path = Path(path)
    try:
        with replacing(path) as file:
            file.write(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    except OSError as fault:
        raise DatasetError(f"{path}: cannot be written ({fault.strerror})") from fault


def idx_bytes(array: np.ndarray) -> bytes:
    """The content of an unpacked IDX file that holds `array`; arguments and errors as `write_idx`."""
    array = np.asarray(array)
    big_endian = array.dtype.newbyteorder(">")
    code = next((code for code, dtype in DTYPES.items() if np.dtype(dtype) == big_endian), None)
    if code is None:
        raise SettingError(f"write_idx: IDX has no dtype {array.dtype}; it has {', '.join(_dtype_names())}")
    if not 1 <= array.ndim <= MAX_DIMENSIONS or max(array.shape) >= 2**32:
        raise SettingError(f"write_idx: IDX cannot hold the shape {array.shape}")
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(big_endian).tobytes()


def _dtype_names() -> list[str]:
    return [np.dtype(dtype).name for dtype in DTYPES.values()]


def _read_array(file: BinaryIO, available: int, max_bytes: int, exact: bool) -> np.ndarray:
    """The array in an open file that holds `available` bytes: exactly those, or at most."""
    dtype, shape = _read_header(file)
    header = 4 + 4 * len(shape)
    claimed = math.prod(shape) * dtype.itemsize
    # dimensions of 0 count as 1: NumPy refuses (0, 2**32 - 1, 2**32 - 1) although it is empty
    if math.prod(max(side, 1) for side in shape) * dtype.itemsize > max_bytes:
        raise DatasetError(f"its header claims an array of shape {shape}: more than {max_bytes:,} bytes")
    if header + claimed > available or (exact and header + claimed < available):
        relation = "has" if exact else "cannot have more than"
        raise DatasetError(f"its header claims {header + claimed:,} bytes, the file {relation} {available:,}")

    array = np.empty(shape, dtype)
    target = memoryview(array.reshape(-1).view(np.uint8))
    filled = 0
    while filled < claimed:
        count = file.readinto(target[filled : filled + 2**20])
        if not count:
            raise DatasetError(f"its header claims {claimed:,} bytes of data, the file has {filled:,}")
        filled += count
    if file.read(1):  # at the end of an archive, this is also the read that compares its checksum
        raise DatasetError(f"more data than the {claimed:,} bytes that its header claims")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: BinaryIO) -> tuple[np.dtype, tuple[int, ...]]:
    start = file.read(4)
    if not start:
        raise DatasetError("the file is empty")
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in DTYPES:
        raise DatasetError(f"not an IDX file: it starts with the bytes {start.hex(' ')}")
    if not 1 <= start[3] <= MAX_DIMENSIONS:
        raise DatasetError(f"its header claims {start[3]} dimensions")
    sides = file.read(4 * start[3])
    if len(sides) < 4 * start[3]:
        raise DatasetError("the header is cut off")
    return np.dtype(DTYPES[start[2]]), struct.unpack(f">{start[3]}I", sides)
