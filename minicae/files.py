"""Writing a file so that whatever happens, the old one or the new one is there, whole.

What is being written has a name of its own beside the place it is meant for, `.NAME.<32 digits>.part`. A process that is
killed leaves it behind; the next one that writes the same file sweeps it away. Whoever writes holds a lock on what he
writes, and the system lets go of the locks of the dead, so nothing that is still being written is swept.
"""

import contextlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from minicae.errors import SettingError

try:
    import fcntl
except ImportError:  # a system without such locks: nothing is swept
    fcntl = None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well, and vanishes when it fails.

    The data reaches the disk before the name does, and the name before the block is left, so a crash leaves the old file
    or the new one.
    """
    _sweep(path)
    temporary, file = _begin(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name == "posix":  # while the lock is held; elsewhere an open file cannot be renamed
                os.replace(temporary, path)
        if os.name != "posix":
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _begin(path):
    """A new file beside `path`, open and locked: (its path, the file)."""
    while True:
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        file = open(temporary, "x+b")  # noqa: SIM115 (closed by whoever writes it)
        if _lock(file) is not False and temporary.exists():
            return temporary, file
        file.close()  # swept before it was locked


def _lock(file):
    """True where the file is now ours, False where it is another's, None where the system cannot say."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # as on some network drives
        return None
    return True


def _sweep(path):
    """Remove what earlier writers of `path`, who are no more, left unfinished."""
    part = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{32}}\.part")
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            if part.fullmatch(name):
                with contextlib.suppress(OSError), open(path.with_name(name), "rb") as file:
                    if _lock(file):
                        path.with_name(name).unlink()


def as_path(path) -> Path:
    """`path` as a Path; SettingError where it cannot name a file."""
    if not isinstance(path, (str, os.PathLike)) or not Path(path).name or "\0" in str(path):
        raise SettingError(f"path must name a file, got {path!r}")
    return Path(path)


def writable_file(path: Path) -> None:
    """Make the folder of `path` if it is missing; SettingError where no file of that name can be written to it."""
    writable_folder(path.parent)
    if path.is_dir():
        raise SettingError(f"{path} cannot be written: it is a folder, give the name of a file")


def writable_folder(path) -> Path:
    """The folder `path`, made if missing, known to take files; SettingError where it does not."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise SettingError(f"the folder {path} cannot be written: {error.strerror}") from None
