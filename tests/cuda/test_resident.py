"""A model on the device stays there: what crosses in a step, what is allocated, and that every verb gives what it gives."""

import copy
import functools
import pickle

import numpy as np
import pytest

import minicae as mc
from minicae import kernels, zoo
from minicae import layers as L
from minicae.errors import BackendError, DataError, DivergedError, SettingError
from minicae.inspection.profile import profile
from minicae.kernels.cuda import _device, _launch, _queue
from minicae.models.stacking import pretrain
from minicae.schedules import StepDecay
from minicae.training.batches import Batches, Images

SGD = mc.optimizers.SGD  # Adam would make a full step of what rounding leaves of a gradient of 0
KINDS = {
    "dense": {"input_shape": (2, 3, 1), "widths": (4,), "code": 2},
    "convolutional": {"kind": "convolutional", "input_shape": (4, 4, 1), "widths": (2,), "code": 2},
}
VARIANTS = "denoising", "sparse", "contractive", "variational", "conditional_variational"
ZOO = {
    "basic": functools.partial(zoo.basic, (4, 2, 4)),
    "stacked": functools.partial(zoo.stacked, (5, 3, 2, 3, 5)),
    "stacked, tied": functools.partial(zoo.stacked, (5, 3, 2, 3, 5), tied=True),
    "convolutional": functools.partial(zoo.convolutional, (4, 4, 1), (2, 3)),
    "convolutional, bilinear": functools.partial(zoo.convolutional, (4, 4, 1), (2, 3), 3, interpolation="bilinear"),
    **{f"{name}, {kind}": functools.partial(getattr(zoo, name), **KINDS[kind]) for name in VARIANTS for kind in KINDS},
    "sparse, kl": functools.partial(zoo.sparse, **KINDS["dense"], penalty="kl"),
    "contractive, exact": functools.partial(zoo.contractive, **KINDS["dense"], estimator="exact"),
}


def data(model, n=3):
    """Samples, and targets where they are others."""
    rng, shape = np.random.default_rng(0), model.input_shape
    if model.output_shape == shape:
        return rng.random((n, *shape), np.float32), None
    x = rng.random((n, *model.output_shape), np.float32)
    return mc.conditioned(x, rng.integers(0, 3, n)), x


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.fixture(params=ZOO)
def make(request):
    return ZOO[request.param]


@pytest.mark.filterwarnings("ignore:overcomplete")
def test_every_model_of_the_zoo_trains_as_on_the_reference_one_graph_a_step(make):
    losses, ends = [], []
    for backend in ("reference", "cuda"):
        model = make(backend=backend)
        model.compile(model.loss, SGD(StepDecay(0.1, 2), momentum=0.9))
        x, y = data(model)
        losses.append([model.train_on_batch(x, y) for _ in range(3)] + [model.evaluate(x, y)["loss"]])
        ends.append(weights(model))
    assert np.allclose(*losses, rtol=1e-4, atol=0)
    assert np.allclose(*ends, rtol=1e-4, atol=1e-5)
    assert [type(graph) for graph in model.trainer._there.graphs.values()] == [_queue.Graph]


@pytest.fixture
def crossings(monkeypatch):
    """[("up" or "down", shape), ...] and ("new", shape) for what is allocated, as it happens; hosted kernels are forbidden."""
    seen, array = [], _device.DeviceNDArray
    up, down, new = array.copy_to_device, array.copy_to_host, _device.cuda.device_array

    def watch(name, kind, call, shape):
        monkeypatch.setattr(*name, lambda *a, **k: (seen.append((kind, shape(*a))), call(*a, **k))[1])

    watch((array, "copy_to_device"), "up", up, lambda own, *_: tuple(own.shape))
    watch((array, "copy_to_host"), "down", down, lambda own, *_: tuple(own.shape))
    watch((_device.cuda, "device_array"), "new", new, lambda shape, *_: shape)
    watch((_device.cuda, "to_device"), "new", _device.cuda.to_device, lambda host, *_: host.shape)
    flat = _launch.flat

    def flattened(one):
        assert kernels.is_away(one), "a kernel was given an array of NumPy"
        return flat(one)

    monkeypatch.setattr(_launch, "flat", flattened)
    monkeypatch.setattr(kernels, "_there_and_back", None)

    def hosted(name):
        raise AssertionError(f"the kernels of {name} were hosted")

    monkeypatch.setattr(kernels, "hosted", hosted)
    return seen


# what crosses in a warm step beside the batch, its costs, the learning rate and whether all was finite
STEPS = {
    "basic": [],
    "stacked, tied": [],
    "convolutional": [],
    "denoising, convolutional": [("up", "batch")],  # noise
    "sparse, dense": [("down", (3,))],  # what each image is charged
    "sparse, kl": [("down", (2,))],  # the mean activation of each unit
    "variational, dense": [("down", (3,)), ("up", (3, 2))],  # the divergence of each image, noise
    "contractive, convolutional": [("up", "batch"), ("down", (3,))],  # in which direction an image is moved, its charge
    "conditional_variational, dense": [
        ("down", (3,)),
        ("up", (3, 2)),
        ("up", "target"),
    ],  # as variational; without labels
    "conditional_variational, convolutional": [("down", (3,)), ("up", (3, 2)), ("up", "target")],
}


@pytest.mark.parametrize("name", STEPS)
def test_only_the_batch_the_noise_and_the_costs_cross(name, crossings):
    model = ZOO[name](backend="cuda")
    x, target = data(model)
    target = x if target is None else target
    model.trainer.step(x, target)
    crossings.clear()
    model.trainer.step(x, target)
    arrays = {"batch": x.shape, "target": target.shape}
    inside = [(way, arrays.get(shape, shape)) for way, shape in STEPS[name]]
    step = [("up", x.shape), ("up", (_queue.ROOM,)), *inside, ("down", (3,)), ("down", (1,))]
    assert sorted(map(str, crossings)) == sorted(map(str, step))


def test_smaller_batches_metrics_and_accumulation_allocate_nothing_when_warm(crossings):
    model = ZOO["convolutional"](backend="cuda")
    model.compile("bce", SGD(0.1, momentum=0.9, clip_norm=1.0, clip_value=0.5), metrics=["mse"])
    x = np.random.default_rng(0).random((4, 4, 4, 1), np.float32)
    batches = Batches(Images(x, (4, 4, 1), model.dtype), None, 3, None)
    for warm in range(2):
        for batch, target, share, ends in batches.groups(2):
            model.trainer.step(batch, target, share, ends)
            model.trainer.measure(target, {"mse": 0.0})
        assert warm == 0 or not [crossing for crossing in crossings if crossing[0] == "new"]
        crossings.clear()


@pytest.mark.parametrize(
    "name, ways",
    [
        ("convolutional", ("reference", "cuda", "reference")),
        ("sparse, dense", ("cuda", "reference", "cuda")),
        ("variational, dense", ("reference", "cuda", "cpu")),
    ],
)
def test_a_model_moves_while_it_is_trained(name, ways):
    def losses(*ways):
        model, found = ZOO[name](backend=ways[0]), []
        model.compile(model.loss, SGD(0.1, momentum=0.9))
        x, _ = data(model)
        for backend in ways:
            assert model.to(backend) is model and model.backend == backend
            found.append(model.train_on_batch(x))
        return found, model

    stayed, here = losses("reference", "reference", "reference")
    moved, there = losses(*ways)
    assert np.allclose(stayed, moved, rtol=1e-5, atol=0)
    assert np.allclose(weights(here), weights(there), rtol=1e-4, atol=1e-6)
    assert here.optimizer.steps == there.optimizer.steps == 3


def test_statistics_move_too_and_every_array_begins_where_128_bits_can_be_read():
    layers = [L.Dense(3), L.BatchNormalization(), L.Dense(5, use_bias=False), L.BatchNormalization()]
    model = mc.Sequential(layers, 5, backend="reference")
    model.compile("mse", "adam")
    x = np.random.default_rng(0).random((6, 5), np.float32)
    model.train_on_batch(x)
    before, said = model.get_weights(), model.predict(x)
    moments = model.optimizer.state["m"].copy()
    model.to("cuda")
    for entry in model.parameters:
        assert _launch.aligned(entry.value, entry.gradient)
    assert all(map(np.array_equal, before, model.get_weights()))
    assert np.allclose(model.predict(x), said, rtol=1e-5, atol=1e-6)
    assert model.optimizer.state["m"].size > moments.size  # gaps on the device
    model.train_on_batch(x)
    values = model.home(model.parameters.values)
    assert np.count_nonzero(values) <= model.parameters.size < values.size
    model.to("cpu")
    assert model.optimizer.state["m"].shape == moments.shape and model.parameters.values.size == model.parameters.size
    with pytest.raises(BackendError, match="choose one of"):
        model.to("gpu")
    with pytest.raises(SettingError, match="no weights"):
        mc.Sequential([L.Dense(2)]).to("cuda")


def test_files_are_the_same(tmp_path):
    x = np.random.default_rng(0).random((6, 5), np.float32)
    files = {}
    for backend in ("reference", "cuda"):
        model = mc.Sequential([L.Dense(3, "tanh"), L.BatchNormalization(), L.Dense(5)], 5, backend=backend)
        model.compile("mse", "nadam")
        for _ in range(2):
            model.train_on_batch(x)
        with np.load(model.save(tmp_path / backend)) as arrays:
            files[backend] = {name: arrays[name] for name in arrays if name != "minicae.json"}
    assert {n: a.shape for n, a in files["cuda"].items()} == {n: a.shape for n, a in files["reference"].items()}
    for name, array in files["cuda"].items():
        assert np.allclose(array, files["reference"][name], rtol=1e-3, atol=1e-5), name
    continued = []
    for path, backend in (("cuda", None), ("cuda", "reference"), ("reference", "cuda"), ("reference", None)):
        model = mc.load(tmp_path / path, backend)
        assert model.backend == (backend or path)
        continued.append([model.train_on_batch(x) for _ in range(2)])
    assert np.allclose(continued, continued[0], rtol=1e-4, atol=0)


def test_a_training_that_stopped_on_the_device_goes_on_elsewhere(tmp_path):
    x = np.random.default_rng(0).random((12, 5), np.float32)

    def model(backend):
        made = mc.Sequential([L.Dropout(0.2), L.Dense(3), L.Dense(5)], 5, backend=backend)
        made.compile("mse", SGD(0.1, momentum=0.9))
        return made

    saved = mc.callbacks.ModelCheckpoint(tmp_path / "c")
    model("cuda").fit(x, epochs=1, batch_size=4, callbacks=saved, verbose=0)
    whole, rest = model("reference"), model("reference")
    whole.fit(x, epochs=2, batch_size=4, callbacks=mc.callbacks.ModelCheckpoint(tmp_path / "w"), verbose=0)
    again = mc.callbacks.ModelCheckpoint(tmp_path / "c")
    rest.fit(x, epochs=2, batch_size=4, callbacks=again, verbose=0, resume=tmp_path / "c")
    assert np.allclose(weights(whole), weights(rest), rtol=1e-4, atol=1e-6)


class Doubled(L.Layer):
    """A user's layer, written for NumPy."""

    def build(self, input_shape):
        self.parameter("factor", input_shape, "ones")
        return input_shape

    def forward(self, x, training=False):
        x = self.admit(x)
        self.saved.x = x
        y = self.buffer("y", x.shape)
        np.multiply(x, 2 * self.factor, out=y)
        return y

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        self.dfactor[...] = (2 * self.saved.x * dy).sum(0)
        return 2 * self.factor * dy


class Steeper(L.Dense):
    """A user's layer that adds to one of ours."""

    def forward(self, x, training=False):
        return np.negative(super().forward(-x, training))

    def backward(self, dy, preactivation=False, through=None):
        assert not preactivation
        return -super().backward(-dy, False, None)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_layers_of_other_people_compute_at_home(place):
    ends = []
    for backend in ("reference", "cuda"):
        layers = [L.Dense(3, "tanh"), L.Dense(5)]
        layers.insert(place, Doubled())
        model = mc.Sequential(layers, 5, backend=backend)
        model.compile("mse", SGD(0.1))
        x = np.random.default_rng(0).random((6, 5), np.float32)
        losses = [model.train_on_batch(x) for _ in range(2)]
        ends.append(np.concatenate([losses, weights(model), model.predict(x).ravel()]))
        assert not np.allclose(model.get_weights()[place if place == 0 else 2 * place], 1, atol=1e-6)
        ends[-1] = np.append(ends[-1], weights(copy.deepcopy(model)))
    assert np.allclose(*ends, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("base", [L.SplitLabels, L.AppendLabels])
def test_labels_find_the_layer_that_reads_them_where_one_of_the_two_computes_at_home(base):
    own = type("Own", (base,), {"__module__": "elsewhere"})
    split, append = (own if base is one else one for one in (L.SplitLabels, L.AppendLabels))
    model = mc.Sequential([split(), L.Activation("linear"), append(3)], 3, backend="cuda")
    x = np.random.default_rng(0).random((4, 2), np.float32)
    assert [layer.away for layer in model.layers] == [split is not own, True, append is not own]
    assert np.array_equal(model.predict(mc.conditioned(x, [2, 0, -1, 1])), np.append(x, np.eye(4, 3)[[2, 0, 3, 1]], 1))


def test_what_reads_weights_of_a_layer_at_home_is_refused():
    first = Steeper(3)
    with pytest.raises(BackendError, match="computes with NumPy, so its weights cannot be shared"):
        mc.Sequential([first, L.Tied(first)], 5, backend="cuda")
    with pytest.raises(BackendError, match="computes with NumPy, so its Jacobian"):
        mc.Sequential([Steeper(3), L.ContractivePenalty()], 5, backend="cuda")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_models_of_their_own(copied):
    model = ZOO["stacked, tied"](backend="cuda")
    x, _ = data(model)
    model.train_on_batch(x)
    other, before = copied(model), weights(model)
    assert np.array_equal(weights(other), before)
    other.train_on_batch(x)
    assert np.array_equal(weights(model), before)
    model.train_on_batch(x)
    assert np.array_equal(weights(model), weights(other))


def test_the_last_good_weights_come_back():
    model = mc.Sequential([L.Dense(3), L.Dense(5)], 5, backend="cuda")
    model.compile("mse", SGD(0.1))
    x = np.random.default_rng(0).random((6, 5), np.float32)
    model.train_on_batch(x)
    before = weights(model)
    model.train_on_batch(x)
    with pytest.raises(DivergedError, match="first in the output of dense|first in the output of sequential"):
        model.trainer.step(np.full_like(x, np.nan), x)
    assert np.array_equal(weights(model), before)


def test_outputs_that_are_no_probabilities_are_refused():
    model = mc.Sequential([L.Dense(5), L.Activation("linear")], 5, backend="cuda")
    model.compile("bce", "sgd")
    x = np.random.default_rng(0).random((6, 5), np.float32)
    model.set_weights([3 * np.eye(5, dtype=np.float32), np.zeros(5, np.float32)])
    with pytest.raises(DataError, match="needs outputs in 0..1"):
        model.train_on_batch(x)


def test_fit_with_callbacks_gives_what_the_reference_gives():
    ends = []
    for backend in ("reference", "cuda"):
        model = zoo.variational(**KINDS["dense"], backend=backend)
        model.compile(model.loss, SGD(0.01))
        x = 0.05 * data(model, 16)[0]  # so alike that their codes are
        best = mc.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
        with pytest.warns(UserWarning, match="posterior collapse"):
            history = model.fit(x, epochs=1, batch_size=16, validation_split=0.2, callbacks=best, verbose=0)
        losses = [history.history[name] for name in ("loss", "val_loss")]
        likelihood = model.log_likelihood(x[:2], 1)
        ends.append(np.concatenate([*losses, weights(model), likelihood]))
    assert np.allclose(*ends, rtol=1e-4, atol=1e-5)


def test_pretraining_and_looking_into_a_model():
    ends = []
    for backend in ("reference", "cuda"):
        model = zoo.stacked((5, 3, 2, 3, 5), backend=backend)
        x, _ = data(model, 3)
        pretrain(model, x, 1, 3, optimizer=SGD(0.1), verbose=0)
        trace = mc.trace(model, x, training=True)
        assert all(isinstance(step.output, np.ndarray) for step in trace)
        ends.append(np.concatenate([weights(model), trace.output.ravel(), trace.dx.ravel()]))
        assert model.backend == backend and profile(model, x, 1).rows
    assert np.allclose(*ends, rtol=1e-4, atol=1e-6)


def test_gradients_are_checked_at_home():
    model = mc.Sequential([L.Dense(1)], 2, backend="cuda")
    assert mc.gradcheck(model, np.ones((1, 2)), samples=1).ok and kernels.is_away(model.forward(np.ones((1, 2))))


def test_forward_and_backward_by_hand():
    model = ZOO["convolutional"](backend="cuda")
    x, _ = data(model)
    y = model.forward(x)
    assert kernels.is_away(y) and np.array_equal(model.home(y), model.predict(x))
    dx = model.backward(np.ones(y.shape, np.float32))
    again = model.backward(y)
    assert kernels.is_away(dx) and kernels.is_away(again) and tuple(again.shape) == x.shape
    if _launch.SIMULATED:  # numba's own arrays let NumPy copy them home
        with pytest.raises(TypeError, match="download it"):
            np.abs(y)


def test_a_loss_by_hand_gives_a_number_and_a_gradient_there():
    module, host = kernels.backend("cuda"), np.arange(6, dtype=np.float32).reshape(2, 3)
    y, target = module.empty((2, 3), np.float32), module.empty((2, 3), np.float32)
    module.upload(host, y)
    module.upload(1, target)
    loss = mc.losses.get("mse")
    loss.backend = "cuda"
    value, dy = loss(y, target)
    assert type(value) is float and np.isclose(value, ((host - 1) ** 2).mean(), rtol=1e-6)
    assert np.allclose(module.download(dy), 2 * (host - 1) / 6, rtol=1e-6)
