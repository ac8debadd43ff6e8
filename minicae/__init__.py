"""minicae: a from-scratch engine for autoencoders. The public names; importing it costs what importing NumPy costs."""

from minicae import datasets, errors, initializers, layers, losses, metrics, ops, optimizers, schedules, tasks
from minicae.inspection.gradcheck import gradcheck
from minicae.inspection.trace import trace
from minicae.layers.condition import conditioned
from minicae.models import stacking, zoo
from minicae.models.autoencoder import Autoencoder
from minicae.models.sequential import Sequential, load
from minicae.training import callbacks

__version__ = "0.1.0"

__all__ = [
    "Autoencoder",
    "Sequential",
    "callbacks",
    "conditioned",
    "datasets",
    "errors",
    "gradcheck",
    "initializers",
    "layers",
    "load",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "schedules",
    "stacking",
    "tasks",
    "trace",
    "zoo",
]
