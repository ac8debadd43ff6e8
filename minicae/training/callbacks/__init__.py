"""Things that happen while a model is trained: stop, save, slow down, write down. Read `base.py` first."""

from minicae.training.callbacks.base import Callback, LambdaCallback
from minicae.training.callbacks.records import CSVLogger, DeadUnits, TerminateOnNaN
from minicae.training.callbacks.variational import BetaWarmup
from minicae.training.callbacks.watching import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

__all__ = [
    "BetaWarmup",
    "CSVLogger",
    "Callback",
    "DeadUnits",
    "EarlyStopping",
    "LambdaCallback",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
