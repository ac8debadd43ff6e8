"""Greedy layer-wise pretraining: a deep autoencoder is trained as a stack of shallow ones, then as a whole.

The encoder is cut in front of each layer with weights, noise right in front of it included, and the decoder behind each,
what keeps the shape right behind it (an activation, batch normalisation) included. A stage is one piece of the encoder and,
counted from the other end, one piece of the decoder:

    encoder    Conv2D MaxPooling2D Flatten | Dense             decoder    Dense | Reshape UpSampling2D Conv2D
    stage 1    Conv2D MaxPooling2D Flatten + Reshape UpSampling2D Conv2D       trained on the images
    stage 2    Dense + Dense                                                   trained on the codes of stage 1

Each stage begins with the weights that the model has, and leaves in the model those that it has learned.
Source: Bengio et al., "Greedy Layer-Wise Training of Deep Networks" (2006); with noise: Vincent et al. (2010).
"""

import copy
from pathlib import Path

from minicae import kernels, losses, optimizers
from minicae.config import from_config
from minicae.errors import MinicaeError, SettingError
from minicae.layers.chain import Chain
from minicae.layers.linear import Linear
from minicae.models.autoencoder import Autoencoder
from minicae.models.sequential import Sequential
from minicae.training.callbacks import BetaWarmup, CSVLogger, ModelCheckpoint
from minicae.training.history import History


def pretrain(
    model: Autoencoder, x, epochs=5, batch_size=64, loss=None, optimizer="adam", verbose=1, callbacks=()
) -> list[History]:
    """Train the stages of `model` one after the other, each on the codes of the one before; `model.fit` then fine-tunes.

    Parameters
    ----------
    model : an Autoencoder whose decoder mirrors its encoder; its weights and running statistics are changed
    x : samples (N, *input_shape)
    epochs, batch_size, verbose : of each stage, as in `Sequential.fit`
    callbacks : likewise; each sees the stages one after the other. A CSVLogger and a ModelCheckpoint write a file for each,
        log-1.csv, log-2.csv, ... where log.csv was asked for
    loss : of every stage; None takes the model's own for the first, if it is compiled, and MSE for the others, whose
        samples are codes
    optimizer : a name, or an object whose settings each stage takes over

    Returns the histories of the stages. Raises SettingError, before anything is trained, where a stage would not give back
    the shape that it was given, and for a BetaWarmup, which is for `model.fit`.
    """
    if not isinstance(model, Autoencoder):
        raise SettingError(f"pretrain takes an Autoencoder, got {model!r}")
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    if any(isinstance(callback, BetaWarmup) for callback in callbacks):
        raise SettingError("BetaWarmup is not for pretrain, most of whose stages draw no code: give it to model.fit")
    pairs, settings = stages(model), optimizers.get(optimizer).config()
    histories = []
    for place, (front, back) in enumerate(pairs):
        stage = _stage(model, front, back)
        first = model.trainer.loss if place == 0 and model.trainer is not None else losses.MeanSquaredError()
        stage.compile(losses.get(first if loss is None else loss), from_config(settings, optimizers.Optimizer))
        if verbose:
            print(f"stage {place + 1} of {len(pairs)}: {front[0].input_shape} -> {front[-1].output_shape}", flush=True)
        own = [_own_file(callback, place + 1) for callback in callbacks]
        histories.append(stage.fit(x, epochs=epochs, batch_size=batch_size, verbose=verbose, callbacks=own))
        _give([*front, *back], stage.leaves())
        if place + 1 < len(pairs):
            x = stage.run(stage.layers[0], x)
    if model.trainer is not None:
        model.trainer.forget()
    return histories


def stages(model: Autoencoder) -> list[tuple[list, list]]:
    """[(layers of the encoder, layers of the decoder), ...], the outermost stage first; SettingError if there are none."""
    fronts, backs = _cut_in_front(model.encoder.leaves()), _cut_behind(model.decoder.leaves())[::-1]
    if not all(any(isinstance(leaf, Linear) for leaf in piece) for piece in (*fronts, *backs)):
        raise SettingError("pretrain needs layers with weights in the encoder and in the decoder")
    if len(fronts) != len(backs):
        raise SettingError(
            f"the decoder must mirror the encoder: they have {len(backs)} and {len(fronts)} layers with weights"
        )
    for place, (front, back) in enumerate(zip(fronts, backs)):
        given, code = front[0].input_shape, front[-1].output_shape
        taken, got = back[0].input_shape, back[-1].output_shape
        if (given, code) != (got, taken):
            raise SettingError(
                f"the decoder must mirror the encoder: stage {place + 1} goes {given} -> {code} by {front[0].name} to"
                f" {front[-1].name}, and {taken} -> {got} by {back[0].name} to {back[-1].name}"
            )
    return list(zip(fronts, backs))


def _cut_in_front(leaves):
    """Pieces of an encoder: each layer with weights begins a new one, together with the noise right in front of it."""
    pieces, noise, weighted = [[]], [], False
    for leaf in leaves:
        if leaf.random and leaf.input_shape == leaf.output_shape:
            noise.append(leaf)
            continue
        if isinstance(leaf, Linear) and weighted:
            pieces.append([])
        weighted = weighted or isinstance(leaf, Linear)
        pieces[-1] += [*noise, leaf]
        noise = []
    pieces[-1] += noise
    return pieces


def _cut_behind(leaves):
    """Pieces of a decoder: each layer with weights ends one, together with what keeps the shape right behind it."""
    pieces, weighted = [[]], False
    for leaf in leaves:
        keeps = leaf.input_shape == leaf.output_shape and not isinstance(leaf, Linear)
        if weighted and not keeps:
            if any(isinstance(later, Linear) for later in leaves[leaves.index(leaf) :]):
                pieces.append([])
            weighted = False
        pieces[-1].append(leaf)
        weighted = weighted or isinstance(leaf, Linear)
    return pieces


def _stage(model, front, back):
    """One stage as a model of its own, with copies of the layers, their weights and their running statistics."""
    copies = copy.deepcopy([*front, *back])
    parts = [Chain(copies[: len(front)]), Chain(copies[len(front) :])]
    try:
        stage = Sequential(parts, front[0].input_shape, model.seed, model.dtype, model.backend)
    except MinicaeError as error:
        raise SettingError(f"a stage must stand on its own: {error.message}") from None
    _give(stage.leaves(), [*front, *back])
    return stage


def _own_file(callback, number):
    """The callback, or, if it writes a file, a copy that writes one for this stage."""
    if not isinstance(callback, (CSVLogger, ModelCheckpoint)):
        return callback
    own, path = copy.copy(callback), Path(callback.path)
    own.path = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return own


def _give(receivers, givers):
    """Write weights and states of one list of layers into another of the same kinds."""
    for receiver, giver in zip(receivers, givers, strict=True):
        for declaration in giver.declared:
            (given, _), (taken, _) = giver.kept(declaration.name), receiver.kept(declaration.name)
            kernels.serving(receiver.backend, taken).upload(given, taken)
        for name, array in giver.states.items():
            receiver.kernels.upload(array, receiver.states[name])
