"""Pictures of data, models and how they learn. The one place where figures are drawn.

    images.py       samples and reconstructions, errors, feature maps, filters
    codes.py        codes in a plane, what they decode to, walks between them
    curves.py       learning curves, spread of scores, gradients by layer
    steps.py        a forward and backward pass layer by layer, and one output opened into its numbers
    diagrams.py     a model as a tower of layers, convolution as a matrix product
    roofline.py     the speed of kernels below what the machine allows
    report.py       one page on a model

Each function draws into the axes it is given, new ones where `ax` is None, and returns them; nothing is shown or saved
here. Functions that need space for a scale beside the picture take it from the axes. COLOURS are those of the classes.
"""

from minicae.plots._style import COLOURS
from minicae.plots.codes import interpolation, latent_grid, latent_scatter, principal_axes
from minicae.plots.curves import anomaly_histogram, gradient_flow, learning_curve
from minicae.plots.diagrams import architecture, im2col
from minicae.plots.images import error_map, feature_maps, filters, reconstructions
from minicae.plots.report import report_figure
from minicae.plots.roofline import roofline
from minicae.plots.steps import opening, trace

__all__ = [
    "COLOURS",
    "anomaly_histogram",
    "architecture",
    "error_map",
    "feature_maps",
    "filters",
    "gradient_flow",
    "im2col",
    "interpolation",
    "latent_grid",
    "latent_scatter",
    "learning_curve",
    "opening",
    "principal_axes",
    "reconstructions",
    "report_figure",
    "roofline",
    "trace",
]
