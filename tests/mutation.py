"""Would the kernel tests notice a mistake? This script makes mistakes, one at a time, and counts how many are noticed.

    python tests/mutation.py                        every kernel file
    python tests/mutation.py --file cpu/pool.py     one of them, or several
    python tests/mutation.py --sample 40 --seed 1   some mistakes of each file, drawn at random

A mistake (a "mutant") is one small change to one kernel file: + for -, < for <=, a number one higher or lower, H for W, C for
F, += made =, min for max. It is made in memory, in a child of this process, where the kernels run uncompiled; there the cases
of `tests/kernels` that reach the changed line are run, the quickest first, until one fails. Cases that take long uncompiled
are left out, so what is caught here is caught by a part of the tests.

Some changes change nothing that can be told from outside, such as how many numbers are done at a time. They are listed in
`mutation_survivors.txt`, each below its reason, and are not counted. Everything else that survives is shown with its place.
`mutation_results.json` keeps the figures of the last whole run (`--record`).
"""

import argparse
import ast
import collections
import copy
import functools
import importlib
import itertools
import json
import os
import pathlib
import random
import sys
import time
import types
import warnings

os.environ["NUMBA_DISABLE_JIT"] = "1"  # before Numba is imported: a compiled kernel cannot be changed
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.kernels import cases as kernel_tests  # noqa: E402

KERNELS = ROOT / "minicae" / "kernels"
SURVIVORS, RESULTS = (ROOT / "tests" / f"mutation_{name}" for name in ("survivors.txt", "results.json"))
STEMS = [
    *("activation", "conv", "dense", "guard", "loss", "memory", "noise", "norm", "optim", "penalty"),
    *("pool", "sampling", "upsample"),
]
ALL = [f"{backend}/{stem}.py" for backend in ("reference", "cpu") for stem in STEMS]
SLOW = 0.5  # seconds of the processor that a case may take
LONG = 5.0  # seconds of it that the cases of one mutant may take
SWAPS = [
    "H W",
    "OH OW",
    "KH KW",
    "PH PW",
    "C F",
    "sh sw",
    "dh dw",
    "top left",
    "i j",
    "p q",
    "h w",
    "x y",
    "m v",
    "u v",
]
OTHER = {name: other for pair in SWAPS for name, other in (pair.split(), reversed(pair.split()))}
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
OPERATORS |= {ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitOr: ast.BitAnd}
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
}
COMPARISONS |= {ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,)}
EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}

Mutant = collections.namedtuple("Mutant", "first name tree")  # first line of the function it is in


def changed(node, **fields):
    """A copy of a node with some fields exchanged."""
    other = copy.copy(node)
    vars(other).update(fields)
    return other


def variants(node, names):
    """The mistakes that can be made in this one node; `names` are those known where it stands."""
    match node:
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            yield changed(node, op=OPERATORS[type(op)]())
        case ast.AugAssign(op=op):
            yield ast.copy_location(ast.Assign([node.target], node.value), node)
            if type(op) in OPERATORS:
                yield changed(node, op=OPERATORS[type(op)]())
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in COMPARISONS.get(type(op), ()):
                    yield changed(node, ops=[*ops[:place], other(), *ops[place + 1 :]])
        case ast.BoolOp(op=op):
            yield changed(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
            yield changed(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield changed(node, value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield changed(node, value=value + 1)
            yield changed(node, value=value - 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in EXTREMES:
            yield changed(node, id=EXTREMES[name])
        case ast.Name(id=name, ctx=ast.Load()) if OTHER.get(name) in names:
            yield changed(node, id=OTHER[name])
        case ast.Attribute(attr=name) if name in EXTREMES:
            yield changed(node, attr=EXTREMES[name])


def bound(function):
    """The names that a function gives a value to, its arguments included."""
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}


def mutants(module):
    """Every mutant of a module, in the order of its text. Its tree holds until the next one is asked for."""
    path, again = pathlib.Path(module.__file__), collections.Counter()
    folder, lines = path.parent.name, path.read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    entry = getattr(sys.modules.get("minicae.kernels.cpu._jit"), "entry", ())

    def children(node):
        """(field, index or None, child), without docstrings, and without the amount of work that an entry is told first."""
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            if isinstance(node, ast.Call) and field == "args" and value and isinstance(known(node.func), entry):
                yield from ((field, place, one) for place, one in enumerate(value) if place)
            elif isinstance(value, list):
                yield from ((field, place, one) for place, one in enumerate(value) if isinstance(one, ast.AST))
            elif isinstance(value, ast.AST):
                yield field, None, value

    def known(node):
        """The object that an expression such as `_few.gather` names in the module, or None."""
        if isinstance(node, ast.Name):
            return vars(module).get(node.id)
        return getattr(known(node.value), node.attr, None) if isinstance(node, ast.Attribute) else None

    def named(function, node, other):
        """One line that says which mutant it is: alike ones of one line are counted."""
        change = (
            f"{folder}/{path.name} {function}: {ast.unparse(node)} -> {ast.unparse(other)}, in {lines[node.lineno - 1]}"
        )
        change = " ".join(change.split())
        again[change] += 1
        return f"{change} ({again[change]})" if again[change] > 1 else change

    def walk(node, function, first, names):
        for field, place, child in children(node):
            inner, its_first, known_here = function, first, names
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(node, ast.Attribute) and node.attr in ("size", "shape", "dtype"):
                continue  # x.size for y.size, where both are of one shape
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "work":
                continue
            if isinstance(child, (ast.FunctionDef, ast.Lambda)):
                inner, known_here = getattr(child, "name", function), names | bound(child)
                its_first = min(one.lineno for one in [child, *getattr(child, "decorator_list", [])])
            for other in variants(child, known_here):
                _put(node, field, place, other)
                ast.fix_missing_locations(other)
                yield Mutant(its_first, named(inner, child, other), tree)
                _put(node, field, place, child)
            if not (isinstance(child, ast.UnaryOp) and isinstance(child.operand, ast.Constant)):
                yield from walk(child, inner, its_first, known_here)

    yield from walk(tree, "module", 0, set())


def _put(node, field, place, child):
    if place is None:
        setattr(node, field, child)
    else:
        getattr(node, field)[place] = child


def install(module, tree):
    """Put the changed text of a module in the place of what it holds, in all who hold it."""
    other = types.ModuleType(module.__name__)
    other.__file__, other.__package__ = module.__file__, module.__package__
    exec(compile(tree, module.__file__, "exec"), vars(other))
    users = [user for name, user in sys.modules.items() if name.startswith("minicae.kernels.") and user is not module]
    for name, new in list(vars(other).items()):
        old = vars(module).get(name)
        if name.startswith("__") or new is old:
            continue
        pairs = [(old, new)] if isinstance(new, types.FunctionType) else []
        if hasattr(new, "serial"):
            pairs = [(old.serial, new.serial), (old.parallel, new.parallel)]
        for function, changed_function in pairs:
            function.__code__, function.__defaults__ = changed_function.__code__, changed_function.__defaults__
        if not pairs and not isinstance(new, type):
            setattr(module, name, new)
            for user in users:
                if vars(user).get(name) is old:
                    setattr(user, name, new)


class Cases:
    """The cases of the kernel tests on one backend, with their times and the lines they reach, the quickest first."""

    def __init__(self, backend):
        self.measured = sorted(filter(None, map(self._measure, kernel_tests.cases(backend))), key=lambda one: one[0])

    def _measure(self, case):
        """(seconds, case, first lines of the functions called in each file), or None if it is slow or does not hold here."""
        called = collections.defaultdict(set)

        def call(frame, event, _):
            called[frame.f_code.co_filename].add(frame.f_code.co_firstlineno)

        try:
            with kernel_tests.limited(SLOW):
                start = time.process_time()
                case.run()
                seconds = time.process_time() - start
            sys.settrace(call)
            case.run()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            return None
        finally:
            sys.settrace(None)
        return seconds, case, called

    def notice(self, module, function, tree):
        """Whether a case that calls the function with this first line (0: any of the file) fails once the module is changed."""
        called = [
            (seconds, case) for seconds, case, lines in self.measured if self._calls(lines, module.__file__, function)
        ]
        spent = itertools.accumulate(seconds for seconds, _ in called)
        called = [case for (_, case), so_far in zip(called, spent) if so_far < LONG]
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        try:
            with open(os.devnull, "w") as sink:
                os.dup2(sink.fileno(), 1)
                os.dup2(sink.fileno(), 2)
            with kernel_tests.limited(3 * LONG):
                install(module, tree)
                for case in called:
                    case.run()
        except BaseException:
            os._exit(1)
        os._exit(0)

    @staticmethod
    def _calls(lines, path, function):
        return function in lines[path] if function else bool(lines[path])


def excused():
    """The changes of `mutation_survivors.txt`."""
    if not SURVIVORS.exists():
        return set()
    return {line.strip() for line in SURVIVORS.read_text().splitlines() if line.startswith("    ")}


def module_of(name):
    """The module of a file such as "cpu/pool.py"."""
    return importlib.import_module(f"minicae.kernels.{name.removesuffix('.py').replace('/', '.')}")


@functools.cache
def cases_on(backend):
    """The cases of all kernel tests, on one backend."""
    warnings.simplefilter("ignore")
    kernel_tests.uncompiled_strictly()
    return Cases(backend)


def examine(name, sample=None, seed=0, show=print):
    """(caught, survived, equivalent) of a file such as "cpu/pool.py"; survivors that nobody excuses are shown."""
    module, found = module_of(name), cases_on(name.partition("/")[0])
    unchanged = ast.parse(pathlib.Path(module.__file__).read_text())
    assert not found.notice(module, 0, unchanged), f"{name} fails as it is"
    places = range(sum(1 for _ in mutants(module)))
    chosen = set(places if sample is None else random.Random(seed).sample(places, min(sample, len(places))))
    known, counts = excused(), collections.Counter()
    for place, mutant in enumerate(mutants(module)):
        if place not in chosen:
            continue
        if mutant.name in known:
            counts["equivalent"] += 1
        elif found.notice(module, mutant.first, mutant.tree):
            counts["caught"] += 1
        else:
            counts["survived"] += 1
            show(f"    {mutant.name}")
    return counts["caught"], counts["survived"], counts["equivalent"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", action="append", help="such as cpu/pool.py; all of them if left out")
    parser.add_argument("--sample", type=int, help="so many mutants of each file, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep the figures in mutation_results.json")
    parser.add_argument("--tests", nargs="+", help="such as noise: only these of tests/kernels")
    parser.add_argument("--stale", action="store_true", help="only show what is excused and is no mutant any more")
    options = parser.parse_args()
    if options.tests:
        kernel_tests.MODULES[:] = options.tests
    if options.stale:
        print("\n".join(sorted(excused() - {mutant.name for name in ALL for mutant in mutants(module_of(name))})))
        return
    for name in options.file or ALL:
        caught, survived, equivalent = examine(name, options.sample, options.seed)
        share = caught / max(1, caught + survived)
        print(f"{name}: {share:.1%} of {caught + survived} caught; {equivalent} that change nothing", flush=True)
        if options.record:
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            results[name] = {"caught": caught, "survived": survived, "equivalent": equivalent, "share": round(share, 4)}
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
