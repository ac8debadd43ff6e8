"""The page: a model, some samples and the files of this folder, put together into one HTML file that needs nothing else.

The page brings its own network (`program.py` says what to compute, `engine.js` computes it), so it works offline and from
a file. Whatever comes from outside, such as the names of classes, gets into it as escaped text or as JSON; besides, the page
tells the browser to run only the scripts that were put into it here, and to load nothing.
"""

import base64
import copy
import hashlib
import html
import json
from importlib.resources import files
from os import PathLike
from pathlib import Path
from string import Template

import numpy as np

from minicae import ops
from minicae.errors import DataError, SettingError, ShapeError
from minicae.explore.program import Program
from minicae.files import replacing, writable_folder
from minicae.layers import SplitLabels
from minicae.layers.condition import conditioned
from minicae.models.autoencoder import Autoencoder
from minicae.plots import COLOURS
from minicae.plots.codes import class_names
from minicae.tasks.pca import PCA

SCRIPTS = "engine.js", "pictures.js", "map.js", "view.js"
FIRST_CHANNELS = 32  # of each layer, unless all are asked for
DIRECTIONS = 8  # of the code, the widest first, that the page can move along


def write(model: Autoencoder, x, path: str | PathLike, labels=None, title: str = "An autoencoder") -> Path:
    """Write a page on `model` to the file `path`: a map of its codes, its decoder to play with, what its layers show.

    Parameters
    ----------
    model : an Autoencoder
    x : samples (N, *input_shape); for a conditional model also without the labels, if these are given
    path : of the HTML file; its folder is made if it is missing
    labels : (N,) the classes, which colour the points; a conditional model needs whole numbers
    title : what the model is called

    Returns the path. Raises SettingError for a model that the page cannot run and for a path that cannot be written,
    ShapeError and DataError for samples that do not fit the model.
    """
    if not isinstance(model, Autoencoder):
        raise SettingError(f"explore needs an Autoencoder, got a {type(model).__name__}")
    path = Path(path)
    if path.is_dir():
        raise SettingError(f"{path} is a folder: name the file of the page")
    folder = writable_folder(path.parent)
    page = assemble(model, x, labels, title)
    with replacing(folder / path.name) as file:
        file.write(page.encode("utf-8", "replace"))
    return path


def assemble(model: Autoencoder, x, labels=None, title: str = "An autoencoder") -> str:
    """The text of the page; arguments as in `write`."""
    if model.away:
        model = copy.deepcopy(model).to("cpu")
    program = Program(model)
    x, labels = _samples(model, x, labels)
    codes = _finite(_codes(model, program, x), "codes")
    bare = model.without_labels(x)
    error = np.square(_finite(model.reconstruct(x), "reconstructions") - bare.astype(np.float64)).mean()
    content = {"encoder": program.encoder, "decoder": program.decoder, "numbers": _packed(program.numbers)}
    content |= {"code_shape": program.code_shape, "classes_of_decoder": program.classes}
    content |= {"first_channels": FIRST_CHANNELS, "colours": COLOURS, "labels": None}
    if bare is not x:
        content["labels"] = np.rint(x[(slice(None), *[0] * (x.ndim - 2), -1)]).astype(int).tolist()
        labels = content["labels"] if labels is None else labels
    content |= _packed_samples(bare) | _plane(codes) | _classes(labels)
    sizes = [(model.parameters.size, "parameter"), (codes.shape[1], "number"), (len(x), "sample")]
    parameters, size, count = (f"{n:,} {noun}{'s' * (n != 1)}" for n, noun in sizes)
    facts = f"{parameters}, a code of {size}; mean squared error {error:.5f} over the {count} of this page"
    return _filled(title, facts, content)


def _samples(model, x, labels):
    """x as the model takes it, and labels, one a sample, or None."""
    x = ops.admit(x, model.dtype)
    if not x.ndim or not len(x):
        raise DataError("explore needs at least one sample")
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != x.shape[:1]:
            raise ShapeError(f"labels must be one a sample of x, ({len(x)},), got {labels.shape}", x=x)
    wanted = tuple(model.input_shape)
    if any(isinstance(leaf, SplitLabels) for leaf in model.leaves()) and x.shape[1:] == (*wanted[:-1], wanted[-1] - 1):
        if labels is None:
            raise DataError("the model is conditional: give the labels of the samples, whole numbers from 0")
        x = conditioned(x, labels)
    if x.shape[1:] != wanted:
        raise ShapeError(f"the model takes samples of shape {wanted}, got {x.shape[1:]}", x=x)
    return x, labels


def _codes(model, program, x):
    """Codes (N, D), float64, as the page's encoder gives them: without the label that a conditional encoder puts behind."""
    codes = model.encode(x).astype(np.float64)
    return codes[..., : program.code_shape[-1]].reshape(len(x), -1)


def _finite(array, what):
    if not np.isfinite(array).all():
        raise DataError(f"the {what} are not finite numbers: the model has diverged, or its file is damaged")
    return array


def _plane(codes):
    """The map: points (N, 2), and what a point stands for: code = origin + sum over k of at[k] * directions[k]."""
    if codes.shape[1] <= 2:
        origin, directions, points = np.zeros(codes.shape[1]), np.eye(codes.shape[1]), codes
        names = [f"code[{k}]" for k in range(codes.shape[1])]
    else:
        pca = PCA(min(DIRECTIONS, *codes.shape)).fit(codes)
        origin, directions, points = pca.mean, pca.components, pca.encode(codes)
        shares = pca.variances / max(np.square(codes - pca.mean).sum() / len(codes), 1e-300)
        names = [f"principal axis {k + 1} of the code ({share:.0%} of its variance)" for k, share in enumerate(shares)]
    shown = np.zeros((len(codes), 2))
    shown[:, : points.shape[1]] = points[:, :2]
    packed = {"origin": _packed(origin), "directions": _packed(directions), "points": _packed(shown)}
    return packed | {"axes": names, "mean": points.mean(0).tolist(), "spread": points.std(0).tolist()}


def _packed_samples(x):
    """The samples, as bytes where that loses nothing, and the range of what is drawn as black to white."""
    white = 1.0 if x.ndim == 4 else 1e-30  # vectors get the frame that they fill
    limits = {"low": min(0.0, float(x.min())), "high": max(white, float(x.max())), "sample_shape": x.shape[1:]}
    as_bytes = np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
    if np.array_equal(as_bytes.astype(np.float32) / np.float32(255), x):
        return limits | {"samples": base64.b64encode(as_bytes.tobytes()).decode(), "bytes": True}
    return limits | {"samples": _packed(x), "bytes": False}


def _classes(labels):
    """The names of the classes, and the place of each sample's own among them."""
    if labels is None:
        return {"classes": [], "class_of": None}
    names, places = class_names(labels)
    return {"classes": names, "class_of": places.tolist()}


def _packed(array):
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def _filled(title, facts, content):
    """page.html with its blanks filled in; the digests name the only scripts and styles that a browser may use."""
    here = files("minicae.explore")
    style, *scripts = ((here / name).read_text("utf-8") for name in ("style.css", *SCRIPTS))
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Template((here / "page.html").read_text("utf-8")).substitute(
        title=html.escape(title),
        facts=html.escape(facts),
        style=style,
        style_digest=_digest(style),
        script_digests=" ".join(map(_digest, scripts)),
        channels=FIRST_CHANNELS,
        content=text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e"),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
