"""No kernel is compiled a second time for a dtype, however the user's arrays are held.

Run as a program, in a process where nothing else has compiled anything, it prints the compiled signatures as JSON.
"""

import importlib
import json
import os
import pathlib
import pkgutil
import subprocess
import sys

import numpy as np

import minicae as mc
from minicae import layers as L
from minicae import losses, optimizers
from minicae.inspection import catalogue
from minicae.kernels import cpu

ROOT = pathlib.Path(__file__).parents[2]


def entries():
    """Every compiled entry of the backend that models use, by name."""
    for module in pkgutil.iter_modules(cpu.__path__):
        if module.name == "peak":
            continue
        for name, value in vars(importlib.import_module(f"minicae.kernels.cpu.{module.name}")).items():
            if type(value).__name__ == "entry":
                yield f"{module.name}.{name}", value


def variants(x):
    """x in the ways that a user may hold it."""
    readonly = x.copy()
    readonly.flags.writeable = False
    return [x, np.repeat(x, 2, 0)[::2], np.asfortranarray(x), readonly, x.astype(">f8"), x[:1], x[:0]]


def use_everything(dtype):
    for case in catalogue.cases():
        if isinstance(case.subject, losses.Loss):
            for y, target in zip(variants(case.x), variants(case.y)):
                if len(y):
                    case.subject(y.astype(dtype), target)
            continue
        layers = case.subject.layers if isinstance(case.subject, L.Chain) else [case.subject]
        for layer in layers:
            vars(layer).pop("_held", None)
        model = mc.Sequential(layers, case.x.shape[1:], dtype=dtype)
        for x in variants(case.x):
            y = model.forward(x, training=True)
            model.backward(np.asfortranarray(y))
    for layer in (L.Conv2D, L.Conv2DTranspose):
        model = mc.Sequential([layer(2, 3, algorithm="winograd")], (6, 5, 3), dtype=dtype)
        for x in variants(np.random.default_rng(0).random((4, 6, 5, 3))):
            model.backward(model.forward(x, training=True))
    many = [L.Conv2D(9, 3, algorithm="im2col"), L.Conv2DTranspose(9, 3, strides=2)]  # more filters than the catalogue's
    model = mc.Sequential(many, (6, 6, 9), dtype=dtype)
    model.backward(model.forward(np.ones((2, 6, 6, 9), dtype), training=True))
    for cls in optimizers.NAMES.values():
        model = mc.Sequential([L.Dense(3, "sigmoid"), L.BatchNormalization(), L.Dense(3, "sigmoid")], 3, dtype=dtype)
        model.compile("bce", cls(clip_norm=1e-3, clip_value=1e-3))
        model.fit(np.random.default_rng(0).random((9, 3)), epochs=1, batch_size=3, accumulate=2, verbose=0)


def test_one_signature_for_each_dtype():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    compiled = json.loads(run.stdout)
    assert set(compiled) == {name for name, _ in entries()} and len(compiled) > 20
    for name, signatures in compiled.items():
        dtypes = 1 if name.startswith("_winograd.") else 2  # float64 is always done directly
        assert len(signatures) == dtypes, (
            f"{name} was not used in both dtypes, or was compiled twice for one: {signatures}"
        )


if __name__ == "__main__":
    use_everything("float32")
    use_everything("float64")
    print(json.dumps({name: [str(s) for v in (e.serial, e.parallel) for s in v.signatures] for name, e in entries()}))
