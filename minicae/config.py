"""Objects that remember how they were made: one line of `repr` and one dictionary for the file a model is saved in.

A class keeps each argument of its constructor under the argument's own name, as scikit-learn's estimators do. From that
follow its `repr`, its configuration, and the way back. Names are looked up among the classes that exist in this process,
so a file can name a class but never bring one.
"""

import inspect

import numpy as np

from minicae.errors import CheckpointError, SettingError


class Configurable:
    """Base of layers, losses, optimizers and schedules."""

    _known: dict[str, type] = {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        known = Configurable._known.get(cls.__name__)
        ours = known is not None and known.__module__.startswith("minicae.")
        if not ours:  # a user's class never takes a name from minicae
            Configurable._known[cls.__name__] = cls

    @classmethod
    def argument_names(cls) -> list[str]:
        """Names of the constructor's arguments, in order."""
        return list(inspect.signature(cls).parameters)

    def config(self) -> dict:
        """{"class": name, argument: value, ...}, made of what JSON can hold."""
        kept = {}
        for name in type(self).argument_names():
            if not hasattr(self, name):
                kind = type(self).__name__
                raise SettingError(f"{kind} must keep its argument {name!r} as self.{name}, or it cannot be saved")
            kept[name] = _plain(getattr(self, name))
        return {"class": type(self).__name__} | kept

    def __repr__(self):
        parts, by_name = [], False
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = _native(getattr(self, name, _NOT_KEPT))
            if parameter.default is not parameter.empty and _same(value, parameter.default):
                by_name = True
                continue
            named = by_name or parameter.kind is parameter.KEYWORD_ONLY
            parts.append(f"{name}={value!r}" if named else repr(value))
        return f"{type(self).__name__}({', '.join(parts)})"


class Watched(Configurable):
    """Base of layers and losses: `Watched.changes` is another number once an attribute of one of them was set or deleted."""

    changes = 0
    unwatched = frozenset()  # names of attributes that change all the time

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        if name not in self.unwatched:
            Watched.changes += 1

    def __delattr__(self, name):
        object.__delattr__(self, name)
        Watched.changes += 1


class _NotKept:
    """Stands in a `repr` for an argument that the object did not keep."""

    def __repr__(self):
        return "?"


_NOT_KEPT = _NotKept()


def _same(value, default):
    return type(value) is type(default) and value == default


def _native(value):
    """`value` with NumPy's numbers turned into Python's."""
    if isinstance(value, (list, tuple)):
        return type(value)(_native(item) for item in value)
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def _plain(value):
    """`value` as JSON can hold it."""
    if isinstance(value, Configurable):
        return value.config()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _native(value)


def from_config(config: dict, family: type = Configurable):
    """The object that `config` describes; CheckpointError where it names no known class of the family or does not fit."""
    if not isinstance(config, dict) or not isinstance(config.get("class"), str):
        raise CheckpointError(f"a configuration with no class name: {str(config)[:80]!r}")
    name = config["class"]
    cls = Configurable._known.get(name)
    if cls is None or not issubclass(cls, family):
        kind = "class" if family is Configurable else family.__name__.lower()
        raise CheckpointError(f"the configuration names {name!r}, which is no {kind} known here")
    arguments = {key: _revive(value) for key, value in config.items() if key != "class"}
    unknown = set(arguments) - set(cls.argument_names())
    if unknown:
        raise CheckpointError(
            f"the configuration of {name} has arguments it does not take: {', '.join(sorted(unknown))}"
        )
    return cls(**arguments)


def _revive(value):
    if isinstance(value, dict) and "class" in value:
        return from_config(value)
    if isinstance(value, list):
        items = [_revive(item) for item in value]
        return items if any(isinstance(item, Configurable) for item in items) else tuple(items)
    return value


def pick(value, named: dict, family: type, what: str):
    """`value` if it is of the family, else the one that its name stands for: pick("adam", NAMES, Optimizer, "optimizer").

    Raises SettingError that lists the names.
    """
    if isinstance(value, family):
        return value
    if isinstance(value, str) and value in named:
        return named[value]()
    raise SettingError(f"there is no {what} {value!r}: give one of {', '.join(named)} or an object of minicae's own")
