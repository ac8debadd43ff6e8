"""Numbers over numbers: how a model learned, how its errors are spread, where its gradients are, how fast its kernels run."""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

from minicae import shapes
from minicae.errors import DataError, SettingError, short
from minicae.plots import _style

LOSSES = {
    "BinaryCrossEntropy": "cross-entropy, nats",
    "MeanSquaredError": "squared error",
    "MeanAbsoluteError": "absolute error",
}


def learning_curve(history, ax=None, quantity="loss", log=False, penalty=False, learning_rate=False):
    """The loss after each epoch, in training and in validation, and the loss of the mean image, which uses no input.

    Parameters
    ----------
    history : what `fit` returns
    quantity : label of the vertical axis
    log : whether that axis is logarithmic
    penalty : whether the penalty, the other part of the objective, is drawn too
    learning_rate : whether the learning rate is drawn too, on an axis of its own at the right

    Returns the axes.
    """
    if not getattr(history, "epoch", None):
        raise DataError(f"history must be what fit returned, with at least one epoch, got {history!r}")
    ax = _style.axes(ax, (5.5, 3.8))
    lines = [
        ("reconstruction", "training", _style.COLOURS[0], "o-"),
        ("val_reconstruction", "validation", _style.COLOURS[2], "s-"),
    ]
    if penalty:
        lines.append(("penalty", "penalty", _style.COLOURS[4], "^:"))
    for key, label, colour, line in lines:
        if key in history.history:
            ax.plot(history.epoch, history.history[key], line, color=colour, label=label, ms=5, lw=1.8)
    if history.baseline is not None:
        ax.axhline(history.baseline, color=_style.QUIET, ls="--", lw=1.2, label="mean image for every input")
    if log:
        ax.set_yscale("log")
    elif ax.dataLim.y0 >= 0:
        ax.set_ylim(bottom=0)
    ax.margins(x=0.06)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")
    ax.set_ylabel(quantity)
    _style.open_frame(ax)
    if learning_rate:
        right = ax.twinx()
        rates = history.history.get("learning_rate", [])
        right.plot(history.epoch[: len(rates)], rates, "-.", color=_style.COLOURS[8], lw=1.2)
        right.set_yscale("log")
        right.set_ylabel("learning rate (dash-dotted)", color=_style.COLOURS[8])
        right.spines[["top", "left"]].set_visible(False)
    if log or penalty or learning_rate:  # lines may be anywhere
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    else:
        ax.legend(frameon=False)
    return ax


def anomaly_histogram(normal, anomalous=None, threshold=None, ax=None, bins=40):
    """How the scores of normal samples are spread, and those of anomalous ones, each as shares of their own number.

    Parameters
    ----------
    normal : (N,) scores of normal samples, such as `AnomalyDetector.score` gives
    anomalous : (M,) scores of anomalous ones, or None
    threshold : above it a sample is called anomalous, such as `AnomalyDetector.limit`, or None
    bins : number of bars along the axis

    Returns the axes.
    """
    bins = shapes.integer(bins, "bins")
    groups = [("normal", _finite(normal, "normal"), _style.COLOURS[0])]
    if anomalous is not None:
        groups.append(("anomalous", _finite(anomalous, "anomalous"), _style.COLOURS[6]))
    ax = _style.axes(ax, (7, 3.8))
    everything = np.concatenate([scores for _, scores, _ in groups])
    edges = np.histogram_bin_edges(everything, bins)
    above = "" if threshold is None else ", {:.0%} above the threshold"
    limit = None if threshold is None else shapes.number(threshold, "threshold")
    for name, scores, colour in groups:
        label = f"{len(scores):,} {name}" + above.format(np.mean(scores > limit) if above else 0)
        weights = np.full(len(scores), 1 / len(scores))
        ax.hist(scores, edges, weights=weights, color=colour, alpha=0.55, histtype="stepfilled", label=label)
        ax.hist(scores, edges, weights=weights, color=colour, lw=1.5, histtype="step")
    if limit is not None:
        ax.axvline(limit, color="black", ls="--", lw=1.3, label=f"threshold {limit:.3g}")
    ax.set_xlabel("score: mean squared reconstruction error")
    ax.set_ylabel("share of the samples")
    _style.open_frame(ax).legend(frameon=False)
    return ax


def gradient_flow(model, ax=None):
    """The mean absolute gradient of each parameter, layer by layer, after a backward pass, on a logarithmic scale.

    Bars that shrink from the last layers to the first say that the gradient vanishes on its way back, bars that grow that it
    explodes. A parameter whose gradient is 0 or not finite has no bar, and says so.

    Parameters
    ----------
    model : built, and gone backward: by `model.backward(dy)`, or in training

    Returns the axes.
    """
    entries = list(getattr(model, "parameters", None) or ())
    if not entries:
        raise SettingError(f"gradient_flow needs a built model with parameters, got {short(repr(model), 60)}")
    sizes = [float(np.abs(model.home(entry.gradient)).mean(dtype=np.float64)) for entry in entries]
    if not any(sizes):
        raise DataError("every gradient is 0: run model.forward and model.backward, or train_on_batch, first")
    ax = _style.axes(ax, (7, 0.28 * len(entries) + 1.2))
    places = range(len(entries))
    shown = [size if math.isfinite(size) else 0.0 for size in sizes]
    biases = [entry.value.ndim == 1 for entry in entries]
    for bias, label, colour in (
        (False, "weights", _style.COLOURS[0]),
        (True, "biases and other vectors", _style.COLOURS[1]),
    ):
        own = [place for place in places if biases[place] == bias]
        ax.barh(own, [shown[place] for place in own], color=colour, label=label, height=0.75)
    positive = [size for size in shown if size] or [1.0]
    ax.set_xscale("log")
    ax.set_xlim(min(positive) / 3, max(positive) * 2)
    for place, size in enumerate(sizes):
        if not size or not math.isfinite(size):
            ax.text(
                min(positive) / 2.7, place, f"{size:g}", va="center", size=9, color=_style.COLOURS[2], weight="bold"
            )
    ax.set_yticks(places, [entry.name for entry in entries], size=9)
    ax.set_ylim(len(entries) - 0.4, -0.6)
    ax.set_xlabel("mean |gradient|")
    _style.open_frame(ax).grid(True, axis="x", lw=0.4)
    ax.set_axisbelow(True)
    if any(biases) and not all(biases):
        ax.legend(fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
    return ax


def quantity(loss, rank) -> str:
    """Label of a loss with its unit, for samples with this number of axes."""
    if loss is None:
        return "loss"
    each = "image" if getattr(loss, "reduction", "mean") == "per_image" else "pixel" if rank > 2 else "number"
    return f"{LOSSES.get(type(loss).__name__, 'loss')} per {each}"


def _finite(scores, name):
    scores = _style.array(scores, name, (1,))
    if not np.isfinite(scores).all():
        raise DataError(f"{name} holds {np.count_nonzero(~np.isfinite(scores))} scores that are not finite")
    return scores
