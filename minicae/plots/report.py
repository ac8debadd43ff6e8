"""One page on a model: its reconstructions, its code, how it learned."""

import numpy as np
from matplotlib.figure import Figure

from minicae.plots import _style
from minicae.plots.codes import latent_scatter
from minicae.plots.curves import learning_curve, quantity
from minicae.plots.images import reconstructions


def report_figure(x, x_hat, codes=None, history=None, labels=None, title="", loss=None):
    """One page on a model: reconstructions, and below them, where given, the code's plane and the learning curve.

    Parameters
    ----------
    x, x_hat : samples (N, ...) and their reconstructions; with labels, one of each class is drawn
    codes : (N, ...) their codes
    history : what `fit` returned
    labels : (N,) their classes
    title : above everything
    loss : the model's loss, which names the unit of the curve

    Returns the figure, ready for `savefig`. Raises ShapeError and DataError for samples that cannot be drawn.
    """
    x, x_hat = _style.pair(x, x_hat)
    drawn = _one_of_each(labels, len(x), 10)
    if codes is None or history is None:
        figure = Figure(figsize=(10, 2.4), layout="constrained")
        reconstructions(x[drawn], x_hat[drawn], figure.subplots())
    else:
        figure = Figure(figsize=(10, 7.6), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
        top, bottom = figure.subfigures(2, 1, height_ratios=(2.1, 5))
        left, right = bottom.subplots(1, 2, width_ratios=(1.3, 1))
        reconstructions(x[drawn], x_hat[drawn], top.subplots())
        latent_scatter(codes, labels, left).set_title("the code in two dimensions")
        learning_curve(history, right, quantity(loss, np.ndim(x))).set_title("the learning curve")
    if title:
        figure.suptitle(title, size=13, weight="bold")
    return figure


def _one_of_each(labels, n, count):
    """Indices of `count` of n samples: the first of each class, then whichever come first."""
    firsts = [] if labels is None else np.unique(labels, return_index=True)[1][:count].tolist()
    return (firsts + [index for index in range(n) if index not in firsts])[:count]
