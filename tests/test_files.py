"""Files that are replaced: whoever is killed, and whatever the disk does, the old one or the new one is there, whole."""

import os
import pathlib
import re
import subprocess
import sys
import uuid

import pytest

from minicae.files import replacing

ROOT = pathlib.Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals, limits and locks of a Unix")


def run(program, *arguments):
    """What a program prints, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def leftover(path):
    """A file as a killed writer of `path` leaves it."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    part.write_bytes(b"half of")
    return part


def test_the_new_file_takes_the_place_of_the_old_one_when_all_is_written(tmp_path):
    path = tmp_path / "a"
    for content in (b"old", b"new"):
        with replacing(path) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"old"
        assert path.read_bytes() == content and os.listdir(tmp_path) == ["a"]
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"never")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a"]


@posix
def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path):
    path = tmp_path / "model[1].npz"
    dead = [leftover(path) for _ in range(3)]
    others = [
        leftover(tmp_path / "model[1].npz.b"),
        leftover(tmp_path / "model1.npz"),
        tmp_path / f".{path.name}.x.part",
    ]
    others[-1].write_bytes(b"")
    with replacing(path) as file:
        assert not any(part.exists() for part in dead)
        file.write(b"new")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


@posix
def test_what_is_still_being_written_is_not_swept(tmp_path):
    """Neither another block's of this process nor another process's; when that one is killed, it is."""
    path = tmp_path / "a"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    program = """
import pathlib, sys
from minicae.files import replacing
with replacing(pathlib.Path(sys.argv[1])) as file:
    file.write(b"other")
    print("writing", flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", program, path], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert other.stdout.readline() == b"writing\n"
        with replacing(path) as file:
            file.write(b"third")
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        other.kill()
        other.communicate()
    assert len(list(tmp_path.iterdir())) == 2
    with replacing(path) as file:
        file.write(b"fourth")
    assert os.listdir(tmp_path) == ["a"] and path.read_bytes() == b"fourth"


KILLED = """
import os, mmap, pathlib, random, signal, struct, sys, time
import numpy as np
import minicae as mc
from minicae import layers as L

path, times = pathlib.Path(sys.argv[1]), int(sys.argv[2])
model = mc.Sequential([L.Dense(120)], 200, backend="reference")
finished = mmap.mmap(-1, 8)  # the last state whose saving had ended, seen by parent and child
rng, parts, state = random.Random(0), 0, 0

def save(state):
    model.set_weights([np.full_like(w, state) for w in model.get_weights()])
    model.save(path)
    finished[:] = struct.pack("q", state)

save(0)
start = time.perf_counter()
for state in range(1, 11):
    save(state)
usual = (time.perf_counter() - start) / 10
for _ in range(times):
    first = state
    child = os.fork()
    if child == 0:
        while True:
            state += 1
            save(state)
    while struct.unpack("q", finished[:])[0] == first:
        time.sleep(usual / 20)
    time.sleep(rng.random() * 3 * usual)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    state = struct.unpack("q", finished[:])[0]
    found = {float(w) for array in mc.load(path).get_weights() for w in array.ravel()}
    assert found in ({state}, {state + 1}), (found, state)
    left = [name for name in os.listdir(path.parent) if name != path.name]
    assert len(left) <= 1, left
    parts += len(left)
    state = int(found.pop())
    finished[:] = struct.pack("q", state)
save(state + 1)
print(parts, os.listdir(path.parent) == [path.name])
"""


@posix
def test_a_process_killed_while_it_saves_leaves_a_whole_model(tmp_path):
    """Sixty times, at random moments: the file is the last one saved, or the one after; litter is gone with the next save."""
    parts, clean = run(KILLED, tmp_path / "model", 60).split()
    assert int(parts) > 5, "hardly ever was it killed while it wrote: the test says nothing"
    assert clean == "True"


FULL = """
import os, pathlib, resource, signal, sys
import minicae as mc
from minicae import layers as L

path = pathlib.Path(sys.argv[1])
model = mc.Sequential([L.Dense(30)], 40, backend="reference")
size = len(model.save(path).read_bytes())
before, complaints = path.read_bytes(), set()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in sorted({0, 1, size - 1, *range(0, size, size // 25)}):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        model.save(path)
    except mc.errors.CheckpointError as error:
        complaints.add(str(error))
    else:
        raise SystemExit(f"saved in spite of {limit} bytes")
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name], limit
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
model.set_weights([w + 1 for w in model.get_weights()])
model.save(path)
assert path.read_bytes() != before and (mc.load(path).get_weights()[1] == 1).all()
print("\\n".join(complaints))
"""


@posix
def test_a_disk_that_takes_no_more_keeps_the_model_before(tmp_path):
    """At every size at which the file may be cut off; here the limit is the process's own."""
    complaint = run(FULL, tmp_path / "model")
    assert complaint == f"{tmp_path}/model: cannot be written (File too large); the file that was there is kept\n"


FULL_DISK = """
import os, pathlib, sys
import minicae as mc
from minicae import layers as L

folder = pathlib.Path(sys.argv[1])
model = mc.Sequential([L.Dense(30)], 40, backend="reference")
before = model.save(folder / "model").read_bytes()
with open(folder / "other", "wb", buffering=0) as other:
    try:
        while other.write(bytes(1024)):
            pass
    except OSError:
        os.truncate(folder / "other", other.tell() - 4096)  # room for the beginning of a model
try:
    model.save(folder / "model")
except mc.errors.CheckpointError as error:
    print(error)
assert (folder / "model").read_bytes() == before and sorted(os.listdir(folder)) == ["model", "other"]
"""


@posix
def test_a_full_disk_keeps_the_model_before(tmp_path):
    """A disk of 64 KiB in memory, which nobody outside this test sees."""
    mounted = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mounted.append('mount -t tmpfs -o size=64k none "$1" && shift && exec "$@"')
    try:
        if subprocess.run([*mounted, "-", tmp_path, "true"], capture_output=True, timeout=30).returncode:
            pytest.skip("this system does not let a user mount a disk in memory")
    except FileNotFoundError:
        pytest.skip("this system has no unshare")
    command = [*mounted, "-", tmp_path, sys.executable, "-c", FULL_DISK, tmp_path]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wanted = f"{tmp_path}/model: cannot be written (No space left on device); the file that was there is kept\n"
    assert done.stdout == wanted


@posix
def test_folders_that_cannot_be_written_are_named_in_one_line(tmp_path):
    import minicae as mc

    model = mc.Sequential([mc.layers.Dense(1)], 1, backend="reference")
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none" / "model", tmp_path / "file" / "model", tmp_path):
        with pytest.raises(mc.errors.CheckpointError, match=f"^{re.escape(str(path))}: cannot be written") as caught:
            model.save(path)
        assert "\n" not in str(caught.value)
