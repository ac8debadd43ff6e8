"""What every figure keeps to: it draws where it is told, leaves pyplot alone, cuts nothing off, and refuses in one line."""

import inspect
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.image import imread

import minicae as mc
from minicae import layers as L
from minicae import plots
from minicae.errors import MinicaeError
from minicae.training.history import History

NOT_DRAWING = {"COLOURS", "principal_axes", "report_figure"}
RNG = np.random.default_rng(0)
X = RNG.random((12, 8, 8, 1))


def model():
    encoder = [L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2), L.Flatten(), L.Dense(2)]
    decoder = [L.Dense(16, "relu"), L.Reshape((4, 4, 1)), L.UpSampling2D(2), L.Conv2D(1, 3, activation="sigmoid")]
    made = mc.Autoencoder(encoder, decoder, input_shape=(8, 8, 1), backend="reference")
    made.forward(X)
    made.backward(RNG.random(X.shape))
    return made


def fitted():
    made = History(baseline=1.0)
    made.append(1, {"reconstruction": 0.5, "penalty": 0.1, "learning_rate": 0.1})
    made.append(2, {"reconstruction": 0.4, "penalty": 0.2, "learning_rate": 0.1})
    return made


def first_opened(layer):
    """The first number of the layer's output, opened."""
    chain = mc.Sequential([layer], input_shape=(9, 9, 4), backend="reference")
    return mc.trace(chain, RNG.random((1, 9, 9, 4)), RNG.random((1, 9, 9, 2)))[0].open()


MODEL = model()
TRACE = mc.trace(MODEL, X)
CASES = {
    "reconstructions": (plots.reconstructions, X, X),
    "error_map": (plots.error_map, X, X**2),
    "feature_maps": (plots.feature_maps, RNG.random((7, 7, 5))),
    "filters": (plots.filters, MODEL.encoder.layers[0]),
    "filters, dense": (plots.filters, RNG.standard_normal((49, 20))),
    "latent_scatter": (plots.latent_scatter, RNG.random((50, 3)), np.arange(50) % 4),
    "latent_grid": (plots.latent_grid, RNG.random((5, 5, 8, 8, 1))),
    "interpolation": (plots.interpolation, RNG.random((3, 6, 8, 8, 1))),
    "learning_curve": (plots.learning_curve, fitted()),
    "anomaly_histogram": (plots.anomaly_histogram, RNG.random(30), 1 + RNG.random(9), 1.0),
    "gradient_flow": (plots.gradient_flow, MODEL),
    "architecture": (plots.architecture, MODEL),
    "architecture, convolutional": (plots.architecture, mc.zoo.convolutional()),
    "im2col": (plots.im2col,),
    "im2col, padded": (plots.im2col, 3, 4, (2, 3), 1, "same"),
    "roofline": (plots.roofline, [("relu", 0.25, 5.0), ("conv_forward", 30.0, 80.0), ("dense", 31.0, 81.0)], 100, 20),
    "trace": (plots.trace, TRACE),
    "opening, convolution": (plots.opening, TRACE["encoder[0]"].open(n=1, i=2, j=7, f=3)),
    "opening, flat": (plots.opening, first_opened(L.Conv2D(2, (1, 7)))),
    "opening, large": (plots.opening, first_opened(L.Conv2D(2, 7))),
    "opening, 5x5": (plots.opening, first_opened(L.Conv2D(2, 5))),
    "opening, dense": (plots.opening, TRACE["encoder[3]"].open(f=1)),
    "opening, few": (plots.opening, TRACE["decoder[0]"].open(f=1)),
    "opening, pool": (plots.opening, TRACE["encoder[1]"].open(i=2, j=1)),
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def draw(name, ax=None):
    function, *given = CASES[name]
    return function(*given, ax=ax)


def test_every_function_is_here():
    assert {name.partition(",")[0] for name in CASES} == set(plots.__all__) - NOT_DRAWING
    for name in set(plots.__all__) - NOT_DRAWING:
        assert inspect.signature(getattr(plots, name)).parameters["ax"].default is None


@pytest.mark.parametrize("name", CASES)
def test_it_draws_into_the_axes_it_is_given_and_leaves_pyplot_alone(name, ax):
    settings = dict(plt.rcParams)
    assert draw(name, ax) is ax
    assert ax.has_data() or ax.patches or ax.texts
    assert not plt.get_fignums() and dict(plt.rcParams) == settings


@pytest.mark.parametrize("name", CASES)
def test_new_axes_hold_all_of_it(name):
    figure = draw(name).figure
    assert plt.get_fignums() == [figure.number] and figure.get_figwidth() <= 10 and figure.get_figheight() <= 10.5
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    file.seek(0)
    pixels = imread(file)[..., :3]
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert pixels.std() > 0.02 and (edge == 1).all()  # whatever is cut off would be dark at the edge


@pytest.mark.parametrize("name", sorted(set(CASES) - {"latent_scatter"}))  # which names classes where they lie
def test_no_text_lies_on_another(name):
    ax = draw(name)
    ax.figure.canvas.draw()
    written = [text for text in (*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label) if text.get_text()]
    boxes = [text.get_window_extent().padded(-1) for text in written]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place]), written[place]


@pytest.mark.parametrize(
    "name",
    ["architecture, convolutional", "trace", "im2col", "opening, convolution", "opening, flat", "opening, large"],
)
def test_text_can_be_read(name):
    ax = draw(name)
    ax.figure.canvas.draw()
    assert min(text.get_size() for text in ax.texts) >= 6.5


@pytest.mark.parametrize(
    "call",
    [
        lambda: plots.reconstructions(X, X[:3]),
        lambda: plots.reconstructions(X[:0], X[:0]),
        lambda: plots.reconstructions(X[0, 0, 0], X[0, 0, 0]),
        lambda: plots.reconstructions(X, X, count=0),
        lambda: plots.reconstructions("digits", X),
        lambda: plots.reconstructions(X, X, ax=plt.figure()),
        lambda: plots.error_map(X, X[:, :4]),
        lambda: plots.feature_maps(X),
        lambda: plots.filters(L.MaxPooling2D(2)),
        lambda: plots.filters(L.Dense(3)),
        lambda: plots.filters(np.ones((3, 3, 2, 4)), channel=2),
        lambda: plots.filters(np.ones((10, 2)), shape=(3, 3)),
        lambda: plots.filters(np.ones(3)),
        lambda: plots.latent_scatter(np.ones((4, 2)), [1, 2]),
        lambda: plots.latent_scatter(np.ones((0, 2))),
        lambda: plots.latent_scatter(np.full((4, 3), np.nan)),
        lambda: plots.latent_grid(np.ones((2, 3, 4, 4, 1))),
        lambda: plots.latent_grid(np.ones((2, 2, 4)), extent=0),
        lambda: plots.interpolation(np.ones(4)),
        lambda: plots.learning_curve(History()),
        lambda: plots.learning_curve([1, 2]),
        lambda: plots.anomaly_histogram([1.0, np.nan]),
        lambda: plots.anomaly_histogram([1.0], []),
        lambda: plots.anomaly_histogram([1.0], threshold="high"),
        lambda: plots.gradient_flow(mc.Sequential([L.Dense(2)])),
        lambda: plots.gradient_flow(mc.Sequential([L.Dense(2)], input_shape=(2,))),
        lambda: plots.architecture(mc.Sequential([L.Dense(2)])),
        lambda: plots.architecture("autoencoder"),
        lambda: plots.im2col(row=4),
        lambda: plots.im2col(2, 2, 3),
        lambda: plots.im2col(28, 28),
        lambda: plots.roofline([], 1, 1),
        lambda: plots.roofline([("a", 1)], 1, 1),
        lambda: plots.roofline([("a", 0, 1)], 1, 1),
        lambda: plots.roofline([("a", 1, 1)], -1, 1),
        lambda: plots.roofline([("a", 1, 1)], 1, 1, groups=[]),
        lambda: plots.trace(TRACE, n=12),
        lambda: plots.trace(TRACE, count=0),
        lambda: plots.trace(MODEL),
        lambda: plots.report_figure(X, X[:3]),
        lambda: plots.report_figure(None, None),
        lambda: plots.opening(TRACE),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(call):
    with pytest.raises(MinicaeError) as caught:
        call()
    assert "\n" not in caught.value.message
