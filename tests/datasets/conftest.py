"""What every test of the data sets gets: its own cache, no data folder, no proxy before the local server."""

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder in place of the user's, not yet made."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MINICAE_CACHE", str(folder))
    monkeypatch.delenv("MINICAE_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder
