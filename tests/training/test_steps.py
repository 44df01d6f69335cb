"""One training step: terms, orthogonalization, purity."""

import chex
import jax
import numpy as np
import optax
import pytest

from tests.helpers import training_cases as cases
from topdis_jax.training import families


def _run(config, topdis=True):
    state, step = cases.make(config, topdis=topdis)
    return jax.jit(step)(state, cases.batch())


def _gradient(config, topdis=True):
    """Parameters before minus after one step of plain descent, rate 1."""
    state, step = cases.make(config, topdis=topdis, optimizer=optax.sgd(1.0))
    after, metrics = jax.jit(step)(state, cases.batch())
    return jax.tree.map(np.subtract, state.params, after.params), metrics


def test_the_loss_is_the_sum_of_its_terms():
    config = cases.config('beta_vae', topdis__weight=2.0, objective__beta=3.0)
    _, metrics = _run(config)
    np.testing.assert_allclose(
        metrics['loss'], metrics['reconstruction'] + 3 * metrics['kl']
        + 2 * metrics['topdis'], rtol=1e-6)


def test_without_topdis_it_is_not_there():
    config = cases.config()
    _, metrics = _run(config, topdis=False)
    assert set(metrics) == {'loss', 'reconstruction', 'kl', 'grad_norm'}
    state, step = cases.make(config, topdis=False)
    assert 'callback' not in jax.jit(step).lower(
        state, cases.batch()).as_text()


def test_counts_steps_and_is_a_function_of_the_state():
    config = cases.config()
    state, step = cases.make(config)
    step = jax.jit(step)
    one, metrics = step(state, cases.batch())
    same, again = step(state, cases.batch())
    assert one.step == 1
    chex.assert_trees_all_equal((one, metrics), (same, again))
    # Noise depends on the step.
    _, later = step(state._replace(step=state.step + 1), cases.batch())
    assert later['reconstruction'] != metrics['reconstruction']


@pytest.mark.parametrize('family', families.FAMILIES)
def test_a_family_with_topdis_orthogonalized(family):
    config = cases.config(family, topdis__orthogonalize=True)
    state, step = cases.make(config)
    batch = cases.batch(image_shape=cases.SHAPES.get(family, cases.SHAPE))
    step, rows = jax.jit(step), []
    for _ in range(30):
        state, metrics = step(state, batch)
        rows.append(metrics)
    assert all(np.isfinite(v) for row in rows for v in row.values())
    assert rows[-1]['reconstruction'] < rows[0]['reconstruction']
    assert all(row['conflict_after'] >= -1e-3 * abs(row['conflict_before'])
               for row in rows)


def test_topdis_gradient_reaches_the_parameters():
    without, _ = _gradient(cases.config(), topdis=False)
    small, _ = _gradient(cases.config(topdis__weight=1.0))
    large, _ = _gradient(cases.config(topdis__weight=2.0))
    added = jax.tree.map(np.subtract, small, without)
    twice = jax.tree.map(np.subtract, large, without)
    chex.assert_trees_all_close(jax.tree.map(lambda x: 2 * x, added), twice,
                                rtol=1e-2, atol=2e-3)
    assert max(np.abs(x).max() for x in jax.tree.leaves(added)) > 0.01


# Its layers are wide enough for gradients in factors.
_WIDE = {'model__hidden': (128,), 'model__decoder_hidden': (128, 128)}


@pytest.mark.parametrize('network', [
    {}, _WIDE, {**_WIDE, 'topdis__fresh': True},
    {**_WIDE, 'topdis__sample': False}],
    ids=['narrow', 'wide', 'fresh', 'means'])
def test_orthogonalized_gradient(network):
    options = dict(topdis__weight=50.0, **network)
    plain, _ = _gradient(cases.config(**options))
    projected, metrics = _gradient(
        cases.config(topdis__orthogonalize=True, **options))
    before, after = metrics['conflict_before'], metrics['conflict_after']
    if before >= 0:
        chex.assert_trees_all_close(plain, projected, rtol=1e-3, atol=1e-3)
        return
    assert abs(after) < 1e-3 * abs(before)
    # What was taken away is a multiple of the reconstruction's gradient.
    taken = np.concatenate([np.ravel(x) for x in jax.tree.leaves(
        jax.tree.map(np.subtract, projected, plain))])
    reconstruction = _reconstruction_gradient(**network)
    cosine = taken @ reconstruction / (
        np.linalg.norm(taken) * np.linalg.norm(reconstruction))
    assert cosine > 0.999


def _reconstruction_gradient(**network):
    """From two objectives that differ in the weight of the KL alone."""
    def vector(beta):
        config = cases.config('beta_vae', objective__beta=beta, **network)
        grads, _ = _gradient(config, topdis=False)
        return np.concatenate([np.ravel(x) for x in jax.tree.leaves(grads)])
    return 2 * vector(1.0) - vector(2.0)
