"""Finding and fetching, with a server of our own on 127.0.0.1: no test needs a network."""

import hashlib
import http.server
import io
import socket
import sys
import threading
from pathlib import Path

import pytest

from minicae.datasets import download
from minicae.datasets.download import (
    cache_folder,
    fetch_archive,
    find_archive,
    search_folders,
)
from minicae.errors import DatasetError

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY).hexdigest()


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves BODY at `/good/`, and at other addresses everything that can go wrong."""

    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        fault = self.path.split("/")[1]
        if fault == "missing":
            return self.send_error(404)
        if fault == "silent":
            return self.server.over.wait(30)
        if fault == "garbage":
            return self.wfile.write(b"not http at all\r\n\r\n")
        self.send_response(200)
        if fault != "unannounced":
            self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write({"cut": BODY[:1000], "wrong": BODY[::-1]}.get(fault, BODY))

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror():
    """The server's address, ending in a slash."""
    Mirror.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dead():
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def fetch(folder, *mirrors, **options):
    return fetch_archive("a.gz", MD5, mirrors, folder, **{"max_bytes": len(BODY), **options})


@pytest.mark.parametrize("kind", ["good", "unannounced"])
def test_download(mirror, tmp_path, kind):
    path = fetch(tmp_path / "new" / "folder", f"{mirror}{kind}/")
    assert path == tmp_path / "new" / "folder" / "a.gz"
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]


REASONS = {
    "missing": "404",
    "cut": "cut off after 1,000 of 256,000 bytes",
    "wrong": "MD5 digest",
    "silent": "timed out",
    "garbage": "not http",
}


@pytest.mark.parametrize("kind, reason", REASONS.items(), ids=REASONS)
def test_fault_names_address_and_reason_and_leaves_nothing(mirror, tmp_path, kind, reason):
    with pytest.raises(DatasetError) as fault:
        fetch(tmp_path, f"{mirror}{kind}/", timeout=0.3)
    assert f"{mirror}{kind}/a.gz" in str(fault.value) and reason in str(fault.value)
    assert list(tmp_path.iterdir()) == []


def test_mirrors_are_tried_in_turn(mirror, dead, tmp_path):
    path = fetch(tmp_path, dead, *(f"{mirror}{kind}/" for kind in ("missing", "cut", "wrong", "good", "last")))
    assert path.read_bytes() == BODY
    assert Mirror.asked == ["/missing/a.gz", "/cut/a.gz", "/wrong/a.gz", "/good/a.gz"]
    assert list(tmp_path.iterdir()) == [path]


def test_no_mirror_answers(dead, tmp_path):
    with pytest.raises(DatasetError) as fault:
        fetch(tmp_path, dead, "nonsense://x/", "not an address")
    assert str(fault.value).count("tried") == 3


def test_too_long_a_download_is_given_up(mirror, tmp_path):
    with pytest.raises(DatasetError, match="longer than the 255,999 bytes"):
        fetch(tmp_path, f"{mirror}good/", max_bytes=len(BODY) - 1)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_leaves_the_old_file(mirror, tmp_path):
    (tmp_path / "a.gz").write_bytes(b"old")
    with pytest.raises(DatasetError):
        fetch(tmp_path, f"{mirror}cut/")
    assert (tmp_path / "a.gz").read_bytes() == b"old"


def test_interrupt_leaves_nothing_and_is_passed_on(mirror, tmp_path, monkeypatch):
    import tqdm

    def interrupt(self, count):
        raise KeyboardInterrupt

    monkeypatch.setattr(tqdm.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, f"{mirror}good/", f"{mirror}good/")
    assert list(tmp_path.iterdir()) == []
    assert len(Mirror.asked) == 1


def test_folder_that_cannot_be_made(mirror, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match="cannot be made"):
        fetch(tmp_path / "file" / "sub", f"{mirror}good/")
    assert Mirror.asked == []


def test_progress_is_shown_on_a_terminal_only(mirror, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        fetch(tmp_path, f"{mirror}good/")
        assert ("a.gz" in stream.getvalue()) == stream.isatty()


def test_download_without_tqdm(mirror, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert fetch(tmp_path, f"{mirror}good/").read_bytes() == BODY


def test_search_goes_folder_by_folder_and_takes_both_names(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
    assert find_archive("a.gz", [first, second]) is None
    (second / "a").write_bytes(b"")
    assert find_archive("a.gz", [first, second]) == second / "a"
    (second / "a.gz").write_bytes(b"")
    assert find_archive("a.gz", [first, second]) == second / "a.gz"
    (first / "a.gz").mkdir()  # a folder of that name is not the file
    (first / "a").write_bytes(b"")
    assert find_archive("a.gz", [first, second]) == first / "a"


def test_folders_searched(cache, monkeypatch):
    assert search_folders("mnist") == [cache / "mnist"]
    monkeypatch.setenv("MINICAE_DATA", "data")
    assert search_folders("mnist") == [Path("data/mnist"), Path("data"), cache / "mnist"]
    assert search_folders("mnist", "here") == [Path("here/mnist"), Path("here")]


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICAE_CACHE", "~/mine")
    assert cache_folder() == Path.home() / "mine"
    monkeypatch.delenv("MINICAE_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/minicae")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "minicae"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache_folder() == Path("/local/minicae")


def test_no_home_folder(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MINICAE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(download.Path, "home", homeless)
    with pytest.raises(DatasetError, match="Set MINICAE_CACHE"):
        cache_folder()
