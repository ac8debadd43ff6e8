"""Chromium without a window, driven through ChromeDriver by the W3C WebDriver protocol: JSON over HTTP, and nothing else."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--window-size=1366,900",
)
KEYS = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Enter": "\ue007"}
missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Browser:
    """One session. `run` evaluates JavaScript in the page; the other verbs do what a hand does."""

    def __init__(self, port, profile):
        self._root = f"http://127.0.0.1:{port}"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        logging = {"browser": "ALL", "performance": "ALL"}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logging}
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._root += f"/session/{answer['sessionId']}"

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data, {"Content-Type": "application/json"}, method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def open(self, path):
        """Load a file."""
        self._ask("POST", "/url", {"url": path.resolve().as_uri()})

    def run(self, script, *arguments):
        """What the body of a function, `script`, returns in the page."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def log(self, kind):
        """What the browser has noted since it was last asked: "browser" for the console, "performance" for the network."""
        return self._ask("POST", "/se/log", {"type": kind})

    def screenshot(self):
        """The window as PNG, in base64."""
        return self._ask("GET", "/screenshot")

    def pointer(self, *moves):
        """Move the mouse to places (x, y) in the window; "down" and "up" press and let go."""
        verbs = {"down": {"type": "pointerDown", "button": 0}, "up": {"type": "pointerUp", "button": 0}}
        to = {"type": "pointerMove", "duration": 20}
        actions = [verbs[m] if isinstance(m, str) else to | {"x": round(m[0]), "y": round(m[1])} for m in moves]
        self._ask("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def press(self, *keys):
        """Press keys, by name or as letters, one after the other."""
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def close(self):
        """End the session."""
        self._ask("DELETE", "")


@contextlib.contextmanager
def started(folder):
    """A `Browser` with a fresh profile in `folder`, and its driver; both are gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "chromedriver.log"
    command = [shutil.which("chromedriver"), f"--port={port}", f"--log-path={log}"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, driver)
        browser = Browser(port, folder / "profile")
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.wait(20)


def _wait_for(port, driver, seconds=20):
    """Until the driver takes connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and driver.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("chromedriver does not take connections")
