"""Gradient orthogonalization on pytrees."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses


def _tree(seed):
    rng = np.random.default_rng(seed)
    return {'a': jnp.asarray(rng.normal(size=(3, 2)), jnp.float32),
            'b': [jnp.asarray(rng.normal(size=5), jnp.float32)]}


def _vector(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


class VariantsTest(chex.TestCase):

    @chex.variants(with_jit=True, without_jit=True, with_device=True,
                   without_device=True)
    def test_conflict_is_removed_and_nothing_else(self):
        conflicts = 0
        for seed in range(10):
            grads, reference = _tree(seed), _tree(seed + 100)
            g, r = _vector(grads), _vector(reference)
            projected, before, after = self.variant(losses.project_conflict)(
                grads, reference)
            np.testing.assert_allclose(before, g @ r, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(after, _vector(projected) @ r,
                                       atol=1e-5)
            if g @ r >= 0:
                chex.assert_trees_all_equal(projected, grads)
                continue
            conflicts += 1
            assert after >= -1e-6 * np.linalg.norm(g) * np.linalg.norm(r)
            np.testing.assert_allclose(
                _vector(projected), g - (g @ r) / (r @ r) * r, rtol=1e-4,
                atol=1e-6)
        assert 0 < conflicts < 10


@pytest.mark.parametrize('size', [0.0, 1e-30])
def test_a_reference_of_no_length_changes_nothing(size):
    grads = _tree(0)
    reference = jax.tree.map(lambda x: -size * x, grads)
    projected, _, _ = losses.project_conflict(grads, reference)
    chex.assert_trees_all_equal(projected, grads)


def test_leaves_that_are_not_floating_stay_as_they_are():
    g = _tree(0)
    r = jax.tree.map(jnp.negative, g)
    without, before, _ = losses.project_conflict(g, r)
    zero = np.zeros(3, jax.dtypes.float0)
    more = {'step': jnp.arange(3), 'zero': zero, 'mixed': 1.0}
    projected, same, _ = losses.project_conflict(
        {**g, **more}, {**r, **more, 'mixed': 2})
    assert same == before
    assert projected['zero'] is zero and projected['mixed'] == 1
    np.testing.assert_array_equal(projected['step'], np.arange(3))
    chex.assert_trees_all_equal({k: projected[k] for k in g}, without)


@pytest.mark.parametrize('size_g,size_r', [(1, 1e25), (1e30, 1), (1e37, 1e37)])
def test_large_gradients_are_finite(size_g, size_r):
    g, r = _tree(0), jax.tree.map(jnp.negative, _tree(0))
    want, _, _ = losses.project_conflict(g, r)
    got, _, _ = losses.project_conflict(
        jax.tree.map(lambda x: x * size_g, g),
        jax.tree.map(lambda x: x * size_r, r))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want)):
        np.testing.assert_allclose(a / size_g, b, atol=1e-5)


def test_messages():
    with pytest.raises(ValueError, match='structure'):
        losses.project_conflict({'a': 1.0}, {'b': 1.0})
    with pytest.raises(ValueError, match=r'\(2,\) and \(3,\)'):
        losses.project_conflict(jnp.ones(2), jnp.ones(3))
