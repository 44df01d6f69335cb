"""All steps of a run are compiled before its first."""

import jax
import jax.numpy as jnp
import pytest

from topdis_jax.training import compilation


@pytest.fixture
def traced():
    """Names of the steps in the order in which they were traced."""
    return []


def _jitted(traced):
    def step(on):
        def add(state, batch):
            traced.append(on)
            return state + batch * (10 if on else 1), {}
        return jax.jit(add)

    return {on: step(on) for on in (False, True)}


def _steps(traced, delay, last=6):
    return compilation.Steps(_jitted(traced), lambda n: n >= delay, last)


def _run(steps, first, last):
    state = jnp.zeros(())
    for number in range(first, last + 1):
        state, _ = steps(number, state, jnp.ones(()))
    return float(state)


@pytest.mark.parametrize('first,delay,wanted,sum_', [
    (1, 4, [False, True], 33), (1, 9, [False], 6), (1, 0, [True], 60),
    (5, 4, [True], 20)])
def test_what_the_run_takes_is_compiled_once(traced, capsys, first, delay,
                                             wanted, sum_):
    steps = _steps(traced, delay)
    assert _run(steps, first, 6) == sum_
    assert traced == wanted
    words = ' and '.join('with' if on else 'without' for on in wanted)
    told = capsys.readouterr().err
    assert told.startswith(f'Compiling the training step {words} the '
                           'topological loss ...')
    assert told.count('Compiling') == 1


def test_both_are_compiled_before_the_first_step(traced):
    _steps(traced, delay=4)(1, jnp.zeros(()), jnp.ones(()))
    assert traced == [False, True]


def test_what_cannot_be_compiled_is_told_at_the_start():
    def fails(state, batch):
        raise ValueError('too large')

    steps = compilation.Steps(
        {False: jax.jit(lambda state, batch: (state, {})),
         True: jax.jit(fails)}, lambda number: number > 100, 101)
    with pytest.raises(ValueError, match='too large'):
        steps(1, jnp.zeros(()), jnp.ones(()))


def test_programs_that_are_compiled_at_once():
    functions = {n: jax.jit(lambda x, n=n: n * x) for n in range(5)}
    found = compilation.compile_all(functions, jnp.ones(3))
    assert {n: float(f(jnp.ones(3))[0]) for n, f in found.items()} == {
        n: n for n in range(5)}


def test_several_processes_compile_by_calls_on_copies(traced, monkeypatch):
    monkeypatch.setattr(jax, 'process_count', lambda: 2)
    functions = {on: jax.jit(step, donate_argnums=0)
                 for on, step in _jitted(traced).items()}
    steps = compilation.Steps(functions, lambda n: n >= 4, 6)
    assert _run(steps, 1, 6) == 33  # the state that came in was not used up
    assert traced == [False, True]
