"""The page as a file: what is in it, that nothing from outside gets into it but as text, and what is refused."""

import base64
import configparser
import hashlib
import json
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import minicae as mc
from minicae import cli, explore
from minicae.errors import DataError, SettingError, ShapeError
from minicae.explore.page import assemble

HERE = Path(explore.__file__).parent


class Read(HTMLParser):
    """The texts of a page by tag, and the attributes of every tag."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.tags, self.open = {}, [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self.open = tag

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open:
            self.texts[self.open][-1] += data

    @property
    def content(self):
        return json.loads(next(t for t in self.texts["script"] if t.startswith("{")))


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_the_page_has_weights_samples_and_facts(made):
    model, x, labels = made("plane")
    read = Read(assemble(model, x, labels, "my model"))
    assert read.texts["h1"] == ["my model"] and read.texts["title"][0].startswith("my model")
    error = np.square(model.reconstruct(x) - x).mean()
    facts = read.texts["p"][0]
    assert f"{model.parameters.values.size:,} parameters" in facts and f"error {error:.5f} over the 40 samples" in facts
    content = read.content
    assert np.array_equal(np.sort(numbers(content["numbers"])), np.sort(np.concatenate(_flat(model))))
    assert np.array_equal(numbers(content["samples"]).reshape(x.shape), x)
    assert np.array_equal(numbers(content["points"]).reshape(40, 2), model.encode(x))
    assert [content["classes"][place] for place in content["class_of"]] == [str(label) for label in labels]


def _flat(model):
    return [array.ravel() for array in model.get_weights()]


@pytest.mark.parametrize("name", ["convolutional", "colour"])
def test_the_map_of_a_longer_code_is_its_principal_plane(made, name):
    model, x, _ = made(name)
    content = Read(assemble(model, x)).content
    codes = model.encode(x).astype(np.float64)
    centred = codes - codes.mean(0)
    directions = numbers(content["directions"]).reshape(-1, codes.shape[1])
    points = numbers(content["points"]).reshape(-1, 2)
    assert np.allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-5)
    assert np.allclose(points, centred @ directions[:2].T, atol=1e-4 * np.abs(centred).max())
    largest = np.linalg.eigvalsh(np.cov(codes.T, bias=True))[::-1]
    assert np.allclose(np.square(content["spread"]), largest[: len(directions)], rtol=1e-4)


def test_bytes_stay_bytes(made):
    model, x, _ = made("plane")
    as_bytes = np.rint(255 * x).astype(np.uint8)
    content = Read(assemble(model, as_bytes.astype(np.float32) / np.float32(255))).content
    assert content["bytes"] and base64.b64decode(content["samples"]) == as_bytes.tobytes()


def test_names_are_text_and_never_markup(made):
    model, x, labels = made("plane")
    hostile = [
        "</script><script>hurt()</script>",
        '"><img src=x onerror=hurt()>',
        "&lt;b&gt;",
        "<!--<script>",
        "\udcff",
    ]
    names = np.array(hostile, dtype=object)[labels]
    harmless, read = (Read(assemble(model, x, *given)) for given in ((labels, "fine"), (names, hostile[0] + "$style")))
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in harmless.tags]
    assert read.texts["h1"] == [hostile[0] + "$style"]
    assert read.content["classes"] == sorted(set(names))


def test_a_browser_may_run_what_is_in_the_page_and_load_nothing(made):
    model, x, _ = made("plane")
    read = Read(assemble(model, x))
    policy = next(attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(maxsplit=1) for rule in policy.split(";"))
    inline = [text for text in read.texts["script"] if not text.startswith("{")] + read.texts["style"]
    digests = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in inline]
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
    assert rules == nothing | {"script-src": " ".join(digests[:-1]), "style-src": digests[-1]}
    assert not any({"src", "href", "style", "onclick", "onload"} & attrs.keys() for _, attrs in read.tags)


def test_scripts_are_short_and_introduce_themselves():
    scripts = sorted(HERE.glob("*.js"))
    assert len(scripts) == 4
    for script in scripts:
        lines = script.read_text().splitlines()
        assert len(lines) < 300 and max(map(len, lines)) <= 128 and lines[0].startswith("// "), script.name


def test_all_files_are_installed():
    settings = configparser.ConfigParser()
    assert settings.read(HERE.parents[1] / "setup.cfg")
    patterns = settings["options.package_data"]["minicae.explore"].split(", ")
    others = [path.name for path in HERE.iterdir() if path.is_file() and path.suffix != ".py"]
    assert len(others) == 6 and all(any(fnmatch(name, pattern) for pattern in patterns) for name in others)


def test_what_cannot_be_explored_is_refused_before_anything_is_written(made, tmp_path):
    model, x, labels = made("plane")
    path = tmp_path / "page.html"
    chain = mc.Sequential([mc.layers.Flatten()], input_shape=(8, 8, 1), backend="reference")
    conditional, bare, _ = made("conditional")
    for error, complaint, given in (
        (SettingError, "needs an Autoencoder, got a Sequential", (chain, x)),
        (ShapeError, r"shape \(8, 8, 1\), got \(8, 8\)", (model, x[..., 0])),
        (ShapeError, "labels must be one a sample", (model, x, path, labels[1:])),
        (DataError, "at least one sample", (model, x[:0])),
        (DataError, "give the labels", (conditional, bare)),
        (DataError, "float32 or float64 is wanted", (model, np.array([None]))),
    ):
        model_, x_, *rest = given
        with pytest.raises(error, match=complaint):
            explore.write(model_, x_, path, *rest[1:])
    assert not path.exists()


def test_a_model_that_has_diverged_is_refused(made, tmp_path):
    model, x, _ = made("vectors")
    weights = model.get_weights()
    weights[0][...] = np.nan
    model.set_weights(weights)
    with pytest.raises(DataError, match="the codes are not finite"):
        explore.write(model, x, tmp_path / "page.html")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["vectors", "convolutional"])
def test_enormous_numbers_make_a_page(made, name):
    model, x, _ = made(name)
    first = model.get_weights()
    first[0] *= 1e34
    model.set_weights(first)
    content = Read(assemble(model, x)).content
    assert max(content["spread"]) > 1e30 and np.isfinite(numbers(content["points"])).all()


@pytest.mark.parametrize("count", [1, 2])
def test_few_samples_and_equal_ones_make_a_page(made, count):
    model, x, _ = made("convolutional")
    content = Read(assemble(model, np.repeat(x[:1], count, 0))).content
    assert np.isfinite(numbers(content["points"])).all() and content["mean"] == pytest.approx([0] * count, abs=1e-6)


def test_conditioned_samples_are_taken_with_and_without_their_labels(made):
    model, x, labels = made("conditional")
    apart, together = (Read(assemble(model, *given)).content for given in ((x, labels), (mc.conditioned(x, labels),)))
    assert apart == together and apart["labels"] == labels.tolist() and apart["classes_of_decoder"] == 4


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Runs the command in a folder of its own; gives its exit code, what it printed and what it complained."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: (cli.main(["explore", *map(str, arguments)]), *capsys.readouterr())


def test_the_command_writes_a_page(made, run):
    model, x, labels = made("plane")
    Path("here/some").mkdir(parents=True)
    model.save("here/some/<model>")
    np.savez("x.npz", x=x[..., 0], y=labels)
    code, said, complaint = run("here/some/<model>", "--data", "x.npz", "--count", 30, "--out", "deep/er/page.html")
    assert code == 0 and complaint == "" and "wrote deep/er/page.html" in said
    read = Read(Path("deep/er/page.html").read_text())
    assert read.texts["h1"] == ["some/<model>"] and len(read.content["class_of"]) == 30


def test_the_command_has_one_line_for_what_is_wrong(made, run):
    model, x, _ = made("vectors")
    model.save("good")
    np.save("x.npy", x)
    Path("bad").write_text("?")
    for given, complaint in (
        (("missing", "--data", "x.npy"), "missing: there is no such file"),
        (("bad", "--data", "x.npy"), "bad: damaged, or no model of minicae"),
        (("good", "--data", "x.npy", "--out", "x.npy/page.html"), "the folder x.npy cannot be written"),
        (("good", "--data", "x.npy", "--out", "."), ". is a folder: name the file"),
    ):
        code, said, complained = run(*given)
        assert code == 1 and said == "" and complaint in complained and complained.count("\n") == 1
