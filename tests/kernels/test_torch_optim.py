"""The optimizers that PyTorch also has, several steps of each, to 12 digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed, and only these tests need it")

fractions = st.floats(0.5, 0.99)
rates = st.floats(1e-4, 0.1)
decays = st.one_of(st.just(0.0), st.floats(0.01, 0.5))
optimizers = st.one_of(
    st.tuples(st.just("sgd"), rates, st.one_of(st.just(0.0), fractions), st.booleans()),
    st.tuples(st.just("rmsprop"), rates, fractions),
    st.tuples(st.just("adam"), rates, fractions, fractions, decays),
    st.tuples(st.just("nadam"), rates, fractions, fractions),
)
EPSILON = 1e-6


@pytest.fixture(scope="module", autouse=True)
def double_precision():
    """PyTorch's NAdam keeps its product of momenta in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def theirs(values, name, rate, *settings_):
    """PyTorch's optimizer with the same meaning."""
    if name == "sgd":
        momentum, nesterov = settings_
        return torch.optim.SGD([values], rate, momentum, nesterov=nesterov and momentum > 0)
    if name == "rmsprop":
        return torch.optim.RMSprop([values], rate, settings_[0], EPSILON)
    if name == "adam":
        *betas, weight_decay = settings_
        return torch.optim.AdamW([values], rate, betas, EPSILON, weight_decay)
    return torch.optim.NAdam([values], rate, settings_, EPSILON)


def ours(backend, P, name, rate, *settings_):
    """The same, as a function of values, gradients and the number of the step."""
    m, v = np.zeros((2, P))
    if name == "sgd":
        return lambda values, g, step: backend.sgd_step(values, g, m, rate, *settings_)
    if name == "rmsprop":
        return lambda values, g, step: backend.rmsprop_step(values, g, m, rate, *settings_, EPSILON)
    if name == "adam":
        *betas, decay = settings_
        return lambda values, g, step: backend.adam_step(values, g, m, v, rate, *betas, EPSILON, decay, step)

    def nadam(values, g, step):
        mu = [settings_[0] * (1 - 0.5 * 0.96 ** (0.004 * n)) for n in range(1, step + 2)]
        product = float(np.prod(mu[:step]))
        backend.nadam_step(values, g, m, v, rate, *settings_, EPSILON, step, mu[step - 1], mu[step], product)

    return nadam


@settings(max_examples=160)  # four optimizers
@given(optimizer=optimizers, P=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_optimizers(backend, optimizer, P, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(P)
    parameter = torch.nn.Parameter(torch.tensor(values))
    they, we = theirs(parameter, *optimizer), ours(backend, P, *optimizer)
    for step in range(1, 8):
        g = rng.standard_normal(P)
        parameter.grad = torch.tensor(g)
        they.step()
        we(values, g, step)
        want = parameter.detach().numpy()
        assert np.all(np.abs(values - want) <= 1e-12 * max(1.0, np.abs(want).max()))


def test_schedules_are_those_of_pytorch():
    from minicae import schedules

    def rates(make, steps):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.3)
        schedule, seen = make(optimizer), []
        for _ in range(steps):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return seen

    lr = torch.optim.lr_scheduler
    for steps, warm_up in ((20, 0.3), (50, 0.25), (7, 0.5)):
        ours = schedules.OneCycle(0.3, steps, warm_up, 10.0, 100.0)
        options = {"pct_start": warm_up, "div_factor": 10, "final_div_factor": 100}
        theirs = rates(lambda o, n=steps, options=options: lr.OneCycleLR(o, 0.3, n, **options), steps)
        assert np.allclose([ours(k) for k in range(steps)], theirs, rtol=1e-12)
    assert np.allclose(
        [schedules.StepDecay(0.3, 4, 0.2)(k) for k in range(13)], rates(lambda o: lr.StepLR(o, 4, 0.2), 13)
    )
