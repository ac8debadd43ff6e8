"""IDX files: every dtype goes there and back, and every fault is a DatasetError that names the file."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from minicae.datasets.idx import DTYPES, idx_bytes, read_idx, write_idx
from minicae.errors import DatasetError, SettingError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def header(*shape, code=0x08, dimensions=None):
    return struct.pack(f">HBB{len(shape)}I", 0, code, dimensions or len(shape), *shape)


def peak_memory(path):
    """The error that reading `path` gives, if any, and the most bytes that were held at a time."""
    tracemalloc.start()
    try:
        read_idx(path)
        fault = None
    except DatasetError as error:
        fault = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return fault, peak


def test_bytes_typed_by_hand(tmp_path):
    path = tmp_path / "hand"
    path.write_bytes(bytes([0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x00, 0xFF, 0xFE]))
    array = read_idx(path)
    assert array.tolist() == [[256, -2]]
    assert array.dtype == np.int16 and array.dtype.isnative


@pytest.mark.parametrize("name", ["a.idx", "a.gz"])
@pytest.mark.parametrize("dtype", DTYPES.values())
@pytest.mark.parametrize("shape", [(7,), (2, 3, 5), (0,), (3, 0, 2), (1,) * 32])
def test_there_and_back(tmp_path, name, dtype, shape):
    native = np.dtype(dtype).newbyteorder("=")
    array = np.random.default_rng(0).integers(0, 127, shape).astype(native)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == native and back.dtype.isnative
    np.testing.assert_array_equal(back, array, strict=True)


def test_byte_order_and_strides_do_not_matter(tmp_path):
    array = np.arange(12, dtype=">f4").reshape(3, 4)
    for variant in (array, array.astype("<f4"), np.asfortranarray(array), array[::-1][::-1]):
        assert idx_bytes(variant) == idx_bytes(array)


def test_gzip_is_seen_from_the_content(tmp_path):
    packed, plain = tmp_path / "packed", tmp_path / "plain.gz"
    packed.write_bytes(gzip.compress(idx_bytes(IMAGES)))
    plain.write_bytes(idx_bytes(IMAGES))
    np.testing.assert_array_equal(read_idx(packed), IMAGES)
    np.testing.assert_array_equal(read_idx(plain), IMAGES)


def test_the_same_array_gives_the_same_archive(tmp_path):
    write_idx(tmp_path / "a.gz", IMAGES)
    write_idx(tmp_path / "b.gz", IMAGES)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_the_result_can_be_written_to(tmp_path):
    write_idx(tmp_path / "a", IMAGES)
    read_idx(tmp_path / "a")[:] = 0


GOOD = idx_bytes(IMAGES)
FAULTS = {
    "empty": (b"", "empty"),
    "three bytes": (GOOD[:3], "not an IDX file"),
    "png": (b"\x89PNG\r\n\x1a\n", "not an IDX file: it starts with the bytes 89 50 4e 47"),
    "unknown dtype": (header(1, code=0x0A) + b"\0", "not an IDX file"),
    "no dimensions": (header(1, dimensions=0)[:3] + b"\0" + b"\0", "0 dimensions"),
    "255 dimensions": (header(1, dimensions=255), "255 dimensions"),
    "cut in the header": (GOOD[:9], "header is cut off"),
    "one byte short": (GOOD[:-1], "claims 40 bytes, the file has 39"),
    "one byte over": (GOOD + b"\0", "claims 40 bytes, the file has 41"),
    "absurd shape": (header(*[2**32 - 1] * 32), "more than"),
    "absurd and empty": (header(0, 2**32 - 1, 2**32 - 1), "more than"),
    "absurd size": (header(2**31), "claims"),
}
PACKED_FAULTS = {
    "empty": (b"", "empty"),
    "one byte short": (GOOD[:-1], "has 23"),
    "one byte over": (GOOD + b"\0", "more data than the 24 bytes"),
    "absurd size": (header(2**31), "cannot have more than"),
    "not idx": (b"hello", "not an IDX file"),
}


@pytest.mark.parametrize("content, reason", FAULTS.values(), ids=FAULTS)
def test_fault(tmp_path, content, reason):
    path = tmp_path / "bad"
    path.write_bytes(content)
    fault, peak = peak_memory(path)
    assert str(path) in str(fault) and reason in str(fault)
    assert peak < 2**20


@pytest.mark.parametrize("content, reason", PACKED_FAULTS.values(), ids=PACKED_FAULTS)
def test_fault_in_an_archive(tmp_path, content, reason):
    path = tmp_path / "bad.gz"
    path.write_bytes(gzip.compress(content))
    fault, peak = peak_memory(path)
    assert str(path) in str(fault) and reason in str(fault)
    assert peak < 2**20


def test_every_truncation_of_an_archive(tmp_path):
    whole = gzip.compress(GOOD)
    for length in range(len(whole)):
        (tmp_path / "cut.gz").write_bytes(whole[:length])
        with pytest.raises(DatasetError):
            read_idx(tmp_path / "cut.gz")


def test_wrong_checksum(tmp_path):
    packed = bytearray(gzip.compress(GOOD))
    packed[-8] ^= 1
    (tmp_path / "crc.gz").write_bytes(packed)
    with pytest.raises(DatasetError, match="damaged"):
        read_idx(tmp_path / "crc.gz")


def test_gzip_bomb_is_left_packed(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(100) + bytes(2**26), compresslevel=1))
    fault, peak = peak_memory(path)
    assert "more data than the 100 bytes" in str(fault)
    assert peak < 2**20


def test_largest_array_can_be_chosen(tmp_path):
    write_idx(tmp_path / "a", IMAGES)
    read_idx(tmp_path / "a", max_bytes=24)
    with pytest.raises(DatasetError, match="more than 23 bytes"):
        read_idx(tmp_path / "a", max_bytes=23)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DatasetError, match="No such file"):
        read_idx(tmp_path / "none")
    with pytest.raises(DatasetError, match="not a regular file"):
        read_idx(tmp_path)
    with pytest.raises(DatasetError, match="cannot be written"):
        write_idx(tmp_path / "none" / "a", IMAGES)


@pytest.mark.parametrize("array", [np.zeros(3, bool), np.zeros(3, np.int64), np.zeros(3, complex), ["a"]])
def test_dtype_that_idx_does_not_have(tmp_path, array):
    with pytest.raises(SettingError, match="IDX has no dtype"):
        write_idx(tmp_path / "a", array)


def test_shape_that_idx_cannot_hold(tmp_path):
    for shape in ((), (1,) * 33):
        with pytest.raises(SettingError, match="cannot hold the shape"):
            write_idx(tmp_path / "a", np.zeros(shape, np.uint8))


@pytest.mark.parametrize("packed", [False, True])
def test_mutations_are_read_right_or_refused(tmp_path, packed):
    """A plain file that is accepted holds exactly what it says; an archive that is, what was put into it."""
    rng = np.random.default_rng(packed)
    original = gzip.compress(GOOD) if packed else GOOD
    path = tmp_path / "mutant"
    tracemalloc.start()
    for _ in range(200):
        mutant = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(len(mutant)))
            kind = rng.integers(4)
            if kind == 0:
                mutant[place] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                mutant[place] = int(rng.integers(256))
            elif kind == 2:
                del mutant[place : place + int(rng.integers(1, 5))]
            else:
                mutant[place:place] = rng.bytes(int(rng.integers(1, 5)))
        path.write_bytes(mutant)
        try:
            array = read_idx(path)
        except DatasetError as fault:
            assert str(path) in str(fault)
        else:
            assert idx_bytes(array) == (GOOD if packed else bytes(mutant))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22
