"""The page in Chromium, as its readers meet it: point, drag, type, choose; what the canvases show is what Python answers."""

import json
import time

import numpy as np
import pytest

import minicae as mc
from minicae import explore
from tests.explore import browser as chromium

REASON = f"{' and '.join(chromium.missing)}, which show the page here, are not installed"
pytestmark = pytest.mark.skipif(bool(chromium.missing), reason=REASON)
PIXELS = """
const canvas = document.querySelector(arguments[0]);
const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return [canvas.height, canvas.width, Array.from(data)];
"""
NAMES = "return Array.from(document.querySelectorAll('.class-name'), (e) => e.textContent)"
CENTRE = """
const {left, top, width, height} = (%s).getBoundingClientRect();
return [left + width / 2, top + height / 2];
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """A browser for all tests of this file."""
    with chromium.started(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


class Page:
    """A page on screen, with the model and the samples that it shows."""

    def __init__(self, browser, model, x):
        self.browser, self.run, self.model, self.x = browser, browser.run, model, x

    def colours(self, where):
        """The pixels of a canvas, (height, width, 3), 0..255."""
        height, width, values = self.run(PIXELS, where)
        return np.reshape(values, (height, width, 4))[..., :3]

    def shows(self, where, want, low=0.0, high=1.0):
        """Whether a canvas shows an image (H, W, 1 or 3), to one grey level."""
        wanted = 255 * (np.clip(np.asarray(want, np.float64), low, high) - low) / (high - low)
        got = self.colours(where)
        return got.shape[:2] == wanted.shape[:2] and np.abs(got - wanted).max() <= 1

    def text(self, where):
        """What an element says."""
        return self.run("const e = document.querySelector(arguments[0]); return e.value || e.textContent", where)

    def code(self):
        """The code under the ring, as a batch of one."""
        return np.array(self.run("return Array.from(code().data)"), np.float32)[None]

    def at(self, element):
        """The middle of an element, given as JavaScript, in pixels of the window."""
        return self.run(CENTRE % element)

    def dot(self, n):
        """The middle of the dot of sample n."""
        return self.at(f"map.dots[{n}]")

    def alone(self):
        """A sample whose dot is far from the ring and from the other dots, in the middle of the map."""
        places = np.array([self.dot(n) for n in range(len(self.x))])
        far = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(len(places))
        far[:, 0] = np.minimum(far[:, 0], np.linalg.norm(places - self.at("element('ring')"), axis=1) - 20)
        return int(far.min(1).argmax())


@pytest.fixture
def page(window, made, tmp_path):
    """page(name) -> the page of a small model, opened; at the end, that nothing was loaded and nothing went wrong."""

    def open_page(name, **names):
        model, x, labels = made(name)
        path = explore.write(model, x, tmp_path / "page.html", names.get("labels", labels), names.get("title", name))
        window.open(path)
        return Page(window, model, x)

    window.log("browser"), window.log("performance")
    yield open_page
    assert [entry["message"] for entry in window.log("browser") if entry["level"] == "SEVERE"] == []
    noted = [json.loads(entry["message"])["message"] for entry in window.log("performance")]
    asked = [note["params"] for note in noted if note["method"] == "Network.requestWillBeSent"]
    page = window.run("return location.href")  # not the browser's own first page
    assert {one["request"]["url"] for one in asked if one["documentURL"].startswith("file:")} == {page}
    assert window.run("return performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("name", ["plane", "convolutional", "colour", "conditional"])
def test_pointing_at_a_dot_shows_the_sample_and_its_reconstruction(page, made, name):
    shown = page(name)
    model, x, labels = made(name)
    n = shown.alone()
    assert n != 0 and "sample 0" in shown.text("#sample-text") and shown.shows("#input", x[0])
    shown.browser.pointer(shown.dot(n))
    x_hat = model.reconstruct(mc.conditioned(x, labels) if name == "conditional" else x)
    error = np.square(x_hat[n] - x[n]).mean()
    said = shown.text("#sample-text")
    assert said.startswith(f"sample {n}, class {labels[n]}; mean squared error")
    assert float(said.split()[-1]) == pytest.approx(error, rel=0.01)
    low, high = min(0, x.min()), max(1, x.max())
    assert shown.shows("#input", x[n], low, high) and shown.shows("#output", x_hat[n], low, high)
    shown.browser.pointer((5, 5))
    assert shown.shows("#input", x[0]) and "sample 0" in shown.text("#sample-text")


@pytest.mark.parametrize("name", ["plane", "convolutional", "colour"])
def test_dragging_the_ring_makes_the_decoder_answer(page, name):
    shown = page(name)
    before, z = shown.colours("#answer"), shown.code()
    assert np.allclose(z, shown.model.encode(shown.x[:1]).reshape(1, -1), atol=1e-5)
    ring, target = shown.at("element('ring')"), shown.dot(shown.alone())
    shown.browser.pointer(ring, "down", target, "up")
    assert np.allclose(shown.at("element('ring')"), target, atol=1.5)
    moved = shown.code()
    assert shown.shows("#answer", shown.model.decode(moved)[0])
    assert np.abs(shown.colours("#answer") - before).max() > 2 and np.abs(moved - z).max() > 0.01
    shown.browser.pointer(ring)  # let go: the ring stays
    assert np.array_equal(shown.code(), moved)


def test_the_ring_moves_in_the_plane_of_the_map_and_keeps_the_rest_of_the_sample(page):
    shown = page("convolutional")
    z = shown.code()
    shown.browser.pointer(shown.at("element('ring')"), "down", shown.dot(shown.alone()), "up")
    codes = shown.model.encode(shown.x).astype(np.float64)
    axes = np.linalg.svd(codes - codes.mean(0), full_matrices=False)[2]
    moved = (shown.code() - z)[0] @ axes.T
    assert np.abs(moved[:2]).max() > 0.1 and np.abs(moved[2:]).max() < 1e-4 * np.abs(codes).max()
    assert "stays as in sample 0" in shown.text("#start")


def test_the_keyboard_moves_the_ring_and_chooses(page):
    shown = page("plane")
    z = shown.code()[0]
    shown.run("element('ring').focus()")
    shown.browser.press("ArrowRight", "ArrowRight", "ArrowUp")
    moved = shown.code()[0] - z
    assert moved[0] > 0 and moved[0] == pytest.approx(2 * moved[1], rel=1e-3)
    assert shown.shows("#answer", shown.model.decode(shown.code())[0])
    shown.browser.press("ArrowLeft", "ArrowLeft", "ArrowDown")
    assert np.allclose(shown.code()[0], z, atol=1e-5)
    n = shown.alone()
    shown.browser.pointer(shown.at("element('ring')"), "down", np.add(shown.dot(n), (2, -1)), "up")
    shown.browser.press("Enter")
    assert shown.text("#chosen") == str(n)
    assert np.allclose(shown.code(), shown.model.encode(shown.x[n : n + 1]), atol=1e-5)


def test_a_click_on_a_dot_chooses_its_sample(page):
    shown = page("convolutional")
    n = shown.alone()
    shown.browser.pointer(shown.dot(n), "down", "up")
    assert shown.text("#chosen") == str(n) and f"as in sample {n}" in shown.text("#start")
    shown.browser.pointer((5, 5))
    marks = "return map.dots.flatMap((dot, n) => Array.from(dot.classList, (kind) => `${kind} ${n}`))"
    assert [mark for mark in shown.run(marks) if not mark.startswith("dot")] == [f"chosen {n}"]
    assert np.allclose(shown.code(), shown.model.encode(shown.x[n : n + 1]), atol=1e-5)


def test_the_layers_show_the_maps_of_the_chosen_sample_and_of_the_ring(page):
    shown = page("convolutional")
    shown.run("element('chosen').focus(); element('chosen').select()")
    shown.browser.press("1", "7", "Enter")
    shown.browser.pointer(shown.at("element('ring')"), "down", shown.dot(shown.alone()), "up")
    shown.run("clearTimeout(drawRing.later); drawLayers('decoder', content.decoder, run(content.decoder, code(), -1))")
    captions = shown.run("return Array.from(document.querySelectorAll('.layers figcaption'), (e) => e.textContent)")
    leaves = shown.model.leaves()
    assert len(captions) == len(leaves)
    for leaf, caption in zip(leaves, captions):
        assert caption.startswith(f"{leaf.name}{leaf!r}{' × '.join(map(str, leaf.output_shape))}")
    for part, y in (("encoder", shown.x[17:18]), ("decoder", shown.code())):
        for place, leaf in enumerate(getattr(shown.model, part).leaves()):
            y = leaf.forward(y)
            if y.ndim < 4:
                continue
            canvas = f"#{part} figure:nth-child({place + 1}) canvas"
            drawn, (_, H, W, C) = shown.colours(canvas)[..., 0], y.shape
            wanted = 255 * (y[0] - y.min()) / (y.max() - y.min())
            assert drawn.shape == (H, C * (W + 1) - 1)
            for c in range(C):
                assert np.abs(drawn[:, c * (W + 1) :][:, :W] - wanted[..., c]).max() <= 1


def test_the_layers_of_the_decoder_follow_the_ring_when_it_rests(page):
    shown = page("plane")
    shown.run("element('ring').focus()")
    shown.browser.press("ArrowRight")
    wanted = shown.run("return drawMaps(document.createElement('canvas'), last(run(content.decoder, code(), -1)), 1)")
    for _ in range(200):
        if shown.text("#decoder figure:last-child .note") == wanted:
            break
        time.sleep(0.05)
    assert shown.text("#decoder figure:last-child .note") == wanted


def test_sliders_move_along_the_other_directions_and_the_mean_is_a_button_away(page):
    shown = page("convolutional")
    before = shown.colours("#answer")
    assert shown.run("return document.querySelectorAll('#directions input').length") == 5 - 2
    z = shown.code()
    shown.run("document.querySelector('#directions input').focus()")
    shown.browser.press(*["ArrowRight"] * 20)
    moved = shown.code()
    codes = shown.model.encode(shown.x).astype(np.float64)
    along = (moved - z)[0] @ np.linalg.svd(codes - codes.mean(0), full_matrices=False)[2].T
    assert abs(along[2]) > 0.05 and np.abs(np.delete(along, 2)).max() < 1e-4 * np.abs(codes).max()
    assert np.abs(shown.colours("#answer") - before).max() > 0
    assert shown.shows("#answer", shown.model.decode(moved)[0])
    shown.browser.pointer(shown.at("element('mean')"), "down", "up")
    assert np.allclose(shown.code(), shown.model.encode(shown.x).mean(0), atol=1e-4)
    assert "as in the mean code" in shown.text("#start")


def test_the_decoder_of_a_conditional_model_is_told_the_chosen_class(page):
    shown = page("conditional")
    z = shown.code()
    for label in (3, 1, -1):
        shown.run(
            "element('class').value = arguments[0]; element('class').dispatchEvent(new Event('change'))", str(label)
        )
        one_hot = (np.arange(4) == label).astype(np.float32)[None]
        assert shown.shows("#answer", shown.model.decode(np.concatenate([z, one_hot], 1))[0])


def test_images_of_other_channels_are_averaged_and_the_page_says_so(page):
    shown = page("two channels")
    assert shown.shows("#input", shown.x[0].mean(-1, keepdims=True)) and "mean of its 2 channels" in shown.text(
        "#input-text"
    )


@pytest.mark.parametrize("name", ["vectors", "one number"])
def test_vectors_are_bars_and_numbers(page, name):
    shown = page(name)
    blue = [int(channel, 16) for channel in ("3f", "90", "da")]
    assert (shown.colours("#answer") == blue).all(-1).any()
    before = shown.text("#answer-text")
    shown.run("element('ring').focus()")
    shown.browser.press("ArrowRight")
    after = shown.text("#answer-text")
    said = [float(number.replace("\u2212", "-")) for number in after.split("decoder says ")[1].split(", ")]
    assert before != after and np.allclose(said, shown.model.decode(shown.code())[0], rtol=0.006)


def test_more_classes_than_colours_and_none_at_all_are_drawn_alike(page):
    colours = "return Array.from(new Set(map.dots.map((dot) => dot.getAttribute('fill'))))"
    assert len(page("plane").run(colours)) == 4
    for labels, said in ((np.arange(40) % 13, "sample 0, class 0; mean"), (None, "sample 0; mean")):
        shown = page("plane", labels=labels)
        assert len(shown.run(colours)) == 1 and shown.text("#legend") == "" and said in shown.text("#sample-text")
        names = [] if labels is None else [str(label) for label in range(13)]
        assert shown.run(NAMES) == names
    assert page("plane", labels=np.arange(40)).run(NAMES) == []


def test_long_names_are_cut_on_the_map_and_nowhere_else(page):
    shown = page("plane", labels=np.array(["a" * 40, "b"])[np.arange(40) % 2])
    assert shown.run(NAMES) == ["a" * 13 + "\u2026", "b"]
    assert shown.text("#legend") == "a" * 40 + "b" and "a" * 40 in shown.text("#sample-text")


def test_what_a_folded_vector_leaves_empty_is_no_number(page):
    height, width, values = page("long vectors").run(PIXELS, "#input")
    opaque = np.reshape(values, (-1, 4))[:, 3]
    assert height * width == 72 and (opaque[:67] == 255).all() and not opaque[67:].any()


def test_the_whole_map_fits_into_a_small_window(page):
    shown = page("plane")
    size, free = shown.run("return [element('map').getBoundingClientRect().height, innerHeight]")
    assert size <= max(320, free - 200)


def test_names_with_markup_in_them_are_shown_and_not_run(page):
    hostile = [
        "</script><script>window.hurt = 1</script>",
        "<img src=x onerror='window.hurt = 1'>",
        "a",
        "<svg/onload=hurt()>",
    ]
    labels = np.array(hostile)[np.arange(40) % 4]
    shown = page("plane", labels=labels, title=hostile[0])
    assert shown.text("h1") == hostile[0]
    assert shown.run("return Array.from(document.querySelectorAll('#legend li'), (e) => e.textContent)") == sorted(
        hostile
    )
    assert shown.run("return [window.hurt === undefined, document.querySelectorAll('img').length]") == [True, 0]


def test_the_browser_refuses_scripts_that_were_not_put_in_here(window, made, tmp_path):
    model, x, _ = made("plane")
    window.open(explore.write(model, x, tmp_path / "page.html"))
    window.run("const s = document.createElement('script'); s.textContent = 'window.hurt = 1'; document.body.append(s)")
    assert window.run("return window.hurt === undefined")
    assert any("Content Security Policy" in entry["message"] for entry in window.log("browser"))
