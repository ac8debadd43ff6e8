"""A model to a file and back, alone or in the middle of its training; the file itself is `training/checkpoint.py`.

A file is looked at as a whole before anything is changed: either everything in it fits, or nothing is taken from it.
"""

import contextlib
import json
import warnings

from minicae import kernels, losses, metrics, optimizers, shapes
from minicae.config import from_config
from minicae.errors import BackendError, CheckpointError, SettingError
from minicae.training import checkpoint
from minicae.training.history import History
from minicae.training.progress import Progress, check_stream

OPTIMIZER, CALLBACKS = "optimizer/", "callbacks/"  # where their arrays lie in the file


def save(model, path):
    """Write architecture, weights, optimizer, random streams and settings to one file. Returns its path.

    While `fit` runs, how far it has come is written too: what `Resumption` reads. It is not after an update that failed,
    or in the middle of one.
    """
    streams = {"model": model.rng.bit_generator.state}
    streams |= {leaf.name: leaf.rng.bit_generator.state for leaf in model.leaves() if leaf.random}
    header = {"model": model.config(), "epochs": model.epochs, "streams": streams, "training": None, "progress": None}
    header["history"] = None if model.history is None else vars(model.history)
    tensors = {name: model.home(array) for name, array in _arrays(model)}
    if model.trainer is not None:
        optimizer, loop = model.trainer.optimizer, model.trainer.loop
        tensors |= {OPTIMIZER + name: array for name, array in _memory(model).items()}
        names = [name for name, function in model.trainer.metrics if metrics.NAMES.get(name) is function]
        if len(names) < len(model.trainer.metrics) and loop is None:
            warnings.warn("metrics given as functions are not saved: compile again after load", stacklevel=3)
        header["training"] = {
            "loss": model.trainer.loss.config(),
            "optimizer": optimizer.config(),
            "steps": optimizer.steps,
            "metrics": names,
        }
        if loop is not None and loop.whole:
            header["progress"], arrays = loop.pack()
            header["history"] = None  # it is part of the progress
            tensors |= {CALLBACKS + name: array for name, array in arrays.items()}
    return checkpoint.write(path, header, tensors)


def load(path, family, backend=None):
    """The model of this family saved at `path`, compiled as it was; CheckpointError for whatever is wrong with the file.

    `backend` is what it is to run on; None takes the one that it was saved with, BackendError where that cannot be had here.
    """
    if backend is not None:
        kernels.backend(backend)

    def made(header, tensors):
        model = _planned(header["model"], tensors, family, backend)
        model.materialize(model.seed)
        training = header["training"]
        if training is not None:
            loss = from_config(training["loss"], losses.Loss)
            optimizer = from_config(training["optimizer"], optimizers.Optimizer)
            model.compile(loss, optimizer, training["metrics"])
        _restore(model, header, tensors)
        told = (header["progress"] or header)["history"]
        model.history = None if told is None else History.of(told)
        return model

    header, tensors = checkpoint.read(path)
    with _explained(path):
        return made(header, tensors)


def move(model, backend):
    """Build the model anew on another backend, and give it there all that it has: what `Sequential.to` does."""
    kernels.backend(backend)
    model._entries()
    if model.trainer is not None and model.trainer.fitting:
        raise SettingError("this model is being fitted: move it before or afterwards")
    arrays = [model.kernels.download(array) if model.away else array for _, array in _arrays(model)]
    memory, random = _memory(model), [layer for layer in (model, *model.leaves()) if hasattr(layer, "rng")]
    streams = [layer.rng for layer in random]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there was to say was said when it was built first
        model.plan(model.input_shape, name=model.name, dtype=model.dtype, backend=backend)
    model.materialize(model.seed)
    for (_, array), kept in zip(_arrays(model), arrays, strict=True):
        kernels.serving(backend, array).upload(kept, array)
    for layer, stream in zip(random, streams):
        layer.rng = stream
    if model.trainer is not None:
        model.trainer.moved()
        _remember(model, memory)


class Resumption:
    """A training that was saved at `path` while it ran, and that `model`, built and compiled alike, is to take up.

    Raises CheckpointError where the file is damaged or holds another model, SettingError where it was trained otherwise.
    `progress` says how far it had come; `restore()` gives the model all that was saved.
    """

    def __init__(self, model, path):
        self.model, self.path = model, path
        header, tensors = self._saved = checkpoint.read(path)
        with _explained(path):
            self._check_model(header["model"], tensors)
            held = header["progress"] is not None
        if not held:
            raise SettingError(
                f"resume: {path} holds no training that could go on: load it with minicae.load, then fit"
            )
        with _explained(path):
            arrays = {name[len(CALLBACKS) :]: array for name, array in tensors.items() if name.startswith(CALLBACKS)}
            self.progress = Progress.unpack(header["progress"], arrays)
            before = {what: _but_rate(header["training"][what]) for what in ("loss", "optimizer")}
        for what, was in before.items():
            now = json.loads(json.dumps(_but_rate(getattr(model, what).config())))
            if was != now:
                raise SettingError(
                    f"resume: {path} was trained with the {what} {was}, the model is compiled with {now}"
                )

    def restore(self) -> None:
        """Weights, statistics, random streams, the optimizer's memory and its learning rate, as they were."""
        header, tensors = self._saved
        with _explained(self.path):
            rate = from_config(header["training"]["optimizer"], optimizers.Optimizer).learning_rate
            _restore(self.model, header, tensors)
            self.model.optimizer.learning_rate = rate

    def _check_model(self, config, tensors):
        was, now = _comparable(config), _comparable(self.model.config())
        if was != now:
            raise CheckpointError(f"holds another model than the one to resume: {_difference(was, now)}")
        for name, array in _arrays(self.model):
            _check(tensors, name, array.shape, array.dtype)


def _but_rate(config):
    """A configuration without the learning rate, which callbacks change: the file's is taken."""
    return {key: value for key, value in config.items() if key != "learning_rate"}


@contextlib.contextmanager
def _explained(path):
    """Whatever goes wrong with what is in the file is told as a CheckpointError that names the path."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.message}") from None
    except BackendError as error:
        raise BackendError(
            f"{path} was saved on another machine, {error.message}: minicae.load({str(path)!r}, backend='cpu') takes it"
        ) from None
    except Exception as error:  # a description can be wrong in more ways than can be listed
        raise CheckpointError(
            f"{path}: the description does not make a model ({type(error).__name__}: {error})"
        ) from None


def _memory(model):
    """The optimizer's arrays, at home and without gaps."""
    if model.trainer is None:
        return {}
    optimizer, pack = model.optimizer, model.parameters.packed
    return {name: pack(array) if name in optimizer._moments else array for name, array in optimizer.state.items()}


def _remember(model, state):
    """Give the optimizer what `_memory` told."""
    optimizer, unpack = model.optimizer, model.parameters.unpacked
    optimizer.state = {name: unpack(array) if name in optimizer._moments else array for name, array in state.items()}


def _arrays(model):
    """(name in the file, array) for all weights and running statistics."""
    for entry in model.parameters:
        yield f"weights/{entry.name}", entry.value
    for leaf in model.leaves():
        for name, array in leaf.states.items():
            yield f"states/{leaf.name}.{name}", array


def _restore(model, header, tensors):
    """Put what was saved in its place, all of it known to fit before anything is changed."""
    training, places = header["training"], list(_arrays(model))
    for name, array in places:
        _check(tensors, name, array.shape, array.dtype)
    state = {name[len(OPTIMIZER) :]: array for name, array in tensors.items() if name.startswith(OPTIMIZER)}
    steps = None if training is None else shapes.integer(training["steps"], "steps", 0)
    for name in () if training is None else model.optimizer._moments:
        if name in state:
            _check(tensors, OPTIMIZER + name, (model.parameters.size,), model.dtype)
    streams = {"model": model.rng} | {leaf.name: leaf.rng for leaf in model.leaves() if leaf.random}
    epochs = shapes.integer(header["epochs"], "epochs", 0)
    for name in streams:
        check_stream(header["streams"][name])
    for name, stream in streams.items():
        stream.bit_generator.state = header["streams"][name]
    for name, array in places:
        kernels.serving(model.backend, array).upload(tensors[name], array)
    model.epochs = epochs
    if training is not None:
        model.optimizer.steps = steps
        _remember(model, state)


def _planned(config, tensors, family, backend):
    """The model that `config` describes, all its parameters known to be in the file before memory is taken for them."""
    model = from_config(config | {"input_shape": None}, family)
    if config["backend"] not in kernels.NAMES:
        raise CheckpointError(f"there is no backend {config['backend']!r}")
    model.plan(config["input_shape"], dtype=config["dtype"], backend=backend or config["backend"])
    for leaf in model.leaves():
        for declaration in leaf.declared:
            _check(tensors, f"weights/{leaf.name}.{declaration.name}", declaration.shape, model.dtype)
    return model


def _check(tensors, name, shape, dtype):
    if name not in tensors or tensors[name].shape != shape or tensors[name].dtype != dtype:
        raise CheckpointError(f"{name} is missing or of the wrong shape")


def _comparable(config):
    """A model's configuration as JSON gives it back, without what does not matter to its weights."""
    return json.loads(json.dumps({key: value for key, value in config.items() if key not in ("seed", "backend")}))


def _difference(was, now):
    """The first setting in which two configurations differ, in words."""
    for key in dict.fromkeys([*was, *now]):
        if was.get(key) != now.get(key):
            saved, built = was.get(key), now.get(key)
            if isinstance(saved, list) and isinstance(built, list):
                pairs = [pair for pair in zip(saved, built) if pair[0] != pair[1]]
                saved, built = pairs[0] if pairs else (f"{len(saved)} layers", f"{len(built)} layers")
            return f"{key} is {saved} there, {built} here"
    return "they differ"
