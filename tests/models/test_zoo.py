"""The ready networks: exactly the layers, shapes and counts that are promised, and defaults that train."""

import inspect
import warnings

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import losses
from minicae.errors import MinicaeError, SettingError

SHAPES = [
    *((28, 28, 64), (14, 14, 64), (14, 14, 128), (7, 7, 128), (7, 7, 256)),
    *((7, 7, 128), (14, 14, 128), (14, 14, 64), (28, 28, 64), (28, 28, 1)),
]
KINDS = [
    *(L.Conv2D, L.MaxPooling2D, L.Conv2D, L.MaxPooling2D, L.Conv2D),
    *(L.Conv2D, L.UpSampling2D, L.Conv2D, L.UpSampling2D, L.Conv2D),
]


def parameters(model):
    return sum(w.size for w in model.get_weights())


@pytest.mark.parametrize("last_kernel, count", [(3, 739_073), (1, 738_561)])
def test_the_convolutional_network_layer_by_layer(last_kernel, count):
    with pytest.warns(UserWarning, match="overcomplete: the code has 12544 numbers and the input 784") as caught:
        model = mc.zoo.convolutional(last_kernel=last_kernel)
    assert caught[0].filename == __file__
    assert [leaf.output_shape for leaf in model.leaves()] == SHAPES
    assert [type(leaf) for leaf in model.leaves()] == KINDS
    assert parameters(model) == model.parameters.values.size == count
    assert model.encoder.output_shape == (7, 7, 256) and len(model.encoder.leaves()) == 5
    assert model.leaves()[-1].activation == "sigmoid" and repr(model.loss) == "BinaryCrossEntropy()"


def test_a_narrow_code():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = mc.zoo.convolutional(code=32, filters=(4, 8), interpolation="bilinear")
    assert model.encoder.output_shape == (32,)
    assert model.encode(np.zeros((2, 28, 28, 1))).shape == (2, 32)
    assert [leaf.interpolation for leaf in model.leaves() if isinstance(leaf, L.UpSampling2D)] == ["bilinear"]


def test_other_sizes_colours_and_losses():
    model = mc.zoo.convolutional((12, 20, 3), (2, 4, 8), code=5, loss="mse")
    assert model.output_shape == (12, 20, 3) and model.leaves()[-1].activation == "linear"
    assert mc.zoo.convolutional((9, 7, 1), (2,), code=4).output_shape == (9, 7, 1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"input_shape": (30, 28, 1)}, "30x28 cannot be halved 2 times: pad to a multiple of 4"),
        ({"input_shape": (28, 28)}, r"must be \(H, W, C\)"),
        ({"input_shape": 28}, r"must be \(H, W, C\)"),
        ({"filters": ()}, "filters is empty"),
        ({"filters": (4, 0)}, "filters must be at least 1"),
        ({"code": 0}, "units must be at least 1"),
        ({"interpolation": "cubic"}, "'nearest' or 'bilinear'"),
        ({"loss": "crossentropy"}, "give one of mse, mae, bce"),
        ({"activation": "swish"}, "there is no activation 'swish'"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"dtype": "float16"}, "dtype must be"),
    ],
)
def test_what_the_convolutional_network_refuses(options, message):
    with pytest.raises(MinicaeError, match=message):
        mc.zoo.convolutional(**({"filters": (2, 2, 2)} | options))


def test_basic_and_stacked():
    basic = mc.zoo.basic()
    assert [leaf.units for leaf in basic.leaves()] == [2, 3] and parameters(basic) == 8 + 9
    assert {leaf.activation for leaf in basic.leaves()} == {"linear"}
    stacked = mc.zoo.stacked()
    assert [leaf.units for leaf in stacked.leaves()] == [4, 3, 2, 3, 4, 5]
    assert stacked.input_shape == (5,) and stacked.encoder.output_shape == (2,)
    assert parameters(stacked) == 5 * 4 + 4 + 4 * 3 + 3 + 3 * 2 + 2 + 2 * 3 + 3 + 3 * 4 + 4 + 4 * 5 + 5
    assert [leaf.activation for leaf in stacked.leaves()] == ["tanh"] * 5 + ["linear"]


def test_half_the_sizes_are_mirrored():
    mirrored = mc.zoo.stacked((784, 100, 30))
    assert [leaf.units for leaf in mirrored.leaves()] == [100, 30, 100, 784]
    assert mirrored.encoder.output_shape == (30,)
    for sizes in ((5,), 5, (), (5, 0), (5, 2.5), "ab"):
        with pytest.raises(SettingError, match="sizes"):
            mc.zoo.stacked(sizes)


@pytest.mark.parametrize("network", [mc.zoo.basic, mc.zoo.stacked])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_defaults_train(network, dtype, backend):
    model = network(dtype=dtype, seed=2, backend=backend.__name__.split(".")[-1])
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 2)) @ rng.standard_normal((2, model.input_shape[0]))
    history = model.fit(x, epochs=30, batch_size=10, verbose=0)
    assert model.predict(x).dtype == dtype
    assert history.history["loss"][-1] < 0.15 * history.baseline


def test_the_convolutional_defaults_train():
    model = mc.zoo.convolutional((8, 8, 1), (4, 8), code=8)
    rows = np.random.default_rng(0).integers(0, 8, 256)
    x = np.zeros((256, 8, 8, 1), np.float32)
    x[np.arange(256), rows] = 1  # one white line an image
    history = model.fit(x, epochs=25, batch_size=16, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.baseline


VARIANTS = [
    mc.zoo.denoising,
    mc.zoo.sparse,
    mc.zoo.contractive,
    mc.zoo.variational,
    mc.zoo.conditional_variational,
]
OTHER = {  # another value of each setting of each network
    "kind": "convolutional",
    "input_shape": (8, 8, 1),
    "widths": (5,),
    "code": 7,
    "noise": L.MaskingNoise(0.2),
    "penalty": "kl",
    "weight": 0.7,
    "target": 0.3,
    "estimator": "exact",
    "beta": 3.0,
    "classes": 4,
    "activation": "elu",
    "loss": "mae",
    "learning_rate": 0.5,
    "seed": 3,
    "dtype": "float64",
    "backend": "reference",
    "tied": True,
    "sizes": (4, 3, 2),
    "output_activation": "tanh",
    "filters": (2, 3),
    "last_kernel": 1,
    "interpolation": "bilinear",
}


@pytest.mark.filterwarnings("ignore:overcomplete")
@pytest.mark.parametrize(
    "network, name",
    [
        (network, name)
        for network in (*VARIANTS, mc.zoo.basic, mc.zoo.stacked, mc.zoo.convolutional)
        for name in inspect.signature(network).parameters
    ],
)
def test_every_setting_changes_something(network, name):
    base = {"penalty": "kl"} if name == "target" else {}
    base |= {"filters": (3, 4, 5)} if network is mc.zoo.convolutional else {}

    def seen(**options):
        model = network(**base | options)
        return model.config(), repr(model.loss), repr(model.optimizer), [w.tobytes() for w in model.get_weights()]

    assert seen() != seen(**{name: OTHER[name]})


@pytest.mark.parametrize("kind, widths", [("dense", (20,)), ("convolutional", (4, 4))])
@pytest.mark.parametrize("network", VARIANTS)
def test_variants_train_on_images(network, kind, widths, backend):
    name = backend.__name__.split(".")[-1]
    dtype = {"cpu": "float32", "reference": "float64"}[name]
    options = {"dtype": dtype, "backend": name, "seed": 1, "learning_rate": 0.01}
    model = network(kind, (8, 8, 1), widths=widths, code=6, **options)
    rows = np.random.default_rng(0).integers(0, 8, 256)
    x = np.zeros((256, 8, 8, 1), np.float32)
    x[np.arange(256), rows] = 1  # one white line an image
    given = mc.conditioned(x, rows) if network is mc.zoo.conditional_variational else x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = model.fit(given, x, epochs=10, batch_size=16, verbose=0)
    assert model.reconstruct(given).dtype == dtype and model.reconstruct(given).shape == x.shape
    error, baseline = model.reconstruction_error(given).mean(), np.square(x - x.mean(0)).mean()
    assert error < 0.7 * baseline
    assert model.trainer.fused and history.history["loss"][-1] < history.history["loss"][0]


def test_variants_take_vectors_and_other_losses():
    for network in VARIANTS:
        model = network("dense", 12, widths=(6, 5), code=3, loss="mse")
        assert model.output_shape == (12,) and model.leaves()[-1].slope[0] == "linear"
        with pytest.raises(SettingError, match=r"must be \(H, W, C\)"):
            network("convolutional", 12)
        with pytest.raises(SettingError, match="'dense' or 'convolutional'"):
            network("deep")
        with pytest.raises(SettingError, match="10x8 cannot be halved 2 times"):
            network("convolutional", (10, 8, 1))
        for options in ({"code": 0}, {"widths": (0,)}, {"loss": "l3"}, {"seed": -1}, {"dtype": "int8"}):
            with pytest.raises(MinicaeError):
                network(**options)
    with pytest.raises(SettingError, match="'l1' or 'kl'"):
        mc.zoo.sparse(penalty="l2")


@pytest.mark.parametrize("noise", [0.3, L.Dense(6), L.GaussianSampling(), L.ContractivePenalty(), mc.Sequential([])])
def test_denoising_wants_noise(noise):
    with pytest.raises(SettingError, match="noise must be a layer of noise"):
        mc.zoo.denoising(noise=noise)


def test_denoising_takes_every_noise():
    for noise in (L.Dropout(0.2), L.OcclusionNoise(3), mc.Sequential([L.GaussianNoise(0.1), L.MaskingNoise(0.1)])):
        assert mc.zoo.denoising(input_shape=(8, 8, 1), noise=noise).encoder.layers[0] is noise


@pytest.mark.parametrize("network", [mc.zoo.variational, mc.zoo.conditional_variational])
@pytest.mark.parametrize("kind", [losses.MeanSquaredError, losses.MeanAbsoluteError, losses.BinaryCrossEntropy])
def test_a_loss_that_is_a_mean_makes_no_evidence_lower_bound(network, kind):
    with pytest.raises(SettingError, match=f'{kind.__name__}.. is a mean .* reduction="per_image"'):
        network(input_shape=6, loss=kind())
    assert network(input_shape=6, loss=kind(reduction="per_image")).loss.reduction == "per_image"


def test_the_default_variants_are_for_28_by_28():
    for network in VARIANTS:
        for kind in ("dense", "convolutional"):
            model = network(kind)
            assert model.output_shape == (28, 28, 1) and model.trainer is not None
    assert repr(mc.zoo.variational().loss) == "BinaryCrossEntropy(reduction='per_image')"


def test_tied_stacks():
    model = mc.zoo.stacked((6, 4, 2), tied=True)
    assert [type(leaf) for leaf in model.leaves()] == [L.Dense, L.Dense, L.Tied, L.Tied]
    assert [leaf.output_shape for leaf in model.leaves()] == [(4,), (2,), (4,), (6,)]
    assert parameters(model) == 6 * 4 + 4 + 4 * 2 + 2 + 4 + 6
    assert [leaf.activation for leaf in model.leaves()] == ["tanh", "tanh", "tanh", "linear"]
    for sizes, tied in (((6, 4, 2, 3, 6), True), ((6, 4), "yes"), ((6, 4), 1)):
        with pytest.raises(SettingError, match="tied must be"):
            mc.zoo.stacked(sizes, tied=tied)


@pytest.mark.parametrize("name", ["stacked", "convolutional", "denoising", "variational"])
def test_a_loss_given_as_an_object_ends_the_model_as_its_name_does(name):
    reduction = "per_image" if name == "variational" else "mean"
    small = (
        {"sizes": (784, 4)}
        if name == "stacked"
        else {"filters": (2, 3)}
        if name == "convolutional"
        else {"widths": (3,)}
    )
    ends = {}
    for loss in (
        "bce",
        losses.BinaryCrossEntropy(False, reduction),
        losses.BinaryCrossEntropy(True, reduction),
        "bce_logits",
    ):
        model = getattr(mc.zoo, name)(loss=loss, **small)
        ends[repr(loss)] = (next(reversed(model.leaves())).slope or ["linear"])[0]
    assert list(ends.values()) == ["sigmoid", "sigmoid", "linear", "linear"], ends
