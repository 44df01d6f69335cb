"""Gradients in factors against the gradients that they stand for."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses
from topdis_jax.training import factored


class Network(nn.Module):
    """Wide layers, which are worth factors, and others, which are not."""

    def setup(self):
        self.wide = nn.Dense(96, name='wide')
        self.inner = nn.Dense(80, name='inner')
        self.unbiased = nn.Dense(80, use_bias=False, name='unbiased')
        self.narrow = nn.Dense(3, name='narrow')
        self.scale = self.param('scale', nn.initializers.ones, (3,))

    def __call__(self, x):
        x = jnp.tanh(self.inner(jnp.tanh(self.wide(x))))
        return self.narrow(jnp.tanh(self.unbiased(x)))


def _case(rows=8):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(rows, 64)).astype(np.float32) for _ in range(2))
    return _params(), x, y


@functools.cache
def _params():
    return jax.jit(Network().init)(jax.random.key(1),
                                   np.zeros((1, 64), np.float32))['params']


def _apply(params, tape, x):
    with nn.intercept_methods(tape):
        return Network().apply({'params': params}, x)


def _once(params, tape, x, y):
    return jnp.mean(_apply(params, tape, x) ** 2), 'once'


def _twice(params, tape, x, y):
    out = _apply(params, tape, x) * params['scale'][None]
    return jnp.mean(jnp.sin(out + _apply(params, tape, y) ** 3)), 'twice'


def _gradients(params, x, y, axis_name=None):
    terms = [functools.partial(term, x=x, y=y) for term in (_twice, _once)]
    probes = factored.make_probes(terms[0], params, axis_name)
    return [factored.gradient(term, params, probes, axis_name)
            for term in terms]


def _whole(params, x, y):
    """The gradients as autodiff makes them."""
    tape = factored.Tape()
    return [jax.jit(jax.grad(lambda p: term(p, tape, x, y)[0]))(params)
            for term in (_twice, _once)]


def _vector(tree):
    return np.concatenate([np.ravel(x).astype(np.float64)
                           for x in jax.tree.leaves(tree)])


def test_wide_layers_are_in_factors():
    params, x, y = _case()
    (twice, _), (once, _) = _gradients(params, x, y)
    assert set(twice.outputs) == {(('wide',), 0), (('wide',), 1),
                                  (('inner',), 0), (('inner',), 1)}
    assert set(once.outputs) == {(('wide',), 0), (('inner',), 0)}
    assert set(twice.formed) == {('narrow', 'kernel'), ('narrow', 'bias'),
                                 ('unbiased', 'kernel'), ('scale',)}
    # With so many rows, factors would be more work.
    many, _ = _gradients(*_case(rows=64))[0]
    assert not many.outputs and ('wide', 'kernel') in many.formed


def test_what_terms_give_besides():
    (_, twice), (_, once) = _gradients(*_case())
    assert (twice, once) == ('twice', 'once')


def test_formed_it_is_the_gradient():
    params, x, y = _case()
    (twice, _), (once, _) = _gradients(params, x, y)
    for term, whole in zip((twice, once), _whole(params, x, y)):
        formed = factored.form([(1, term)])
        assert jax.tree.structure(formed) == jax.tree.structure(params)
        np.testing.assert_allclose(_vector(formed), _vector(whole),
                                   rtol=1e-4, atol=1e-7)


def test_weighted_sum():
    params, x, y = _case()
    (twice, _), (once, _) = _gradients(params, x, y)
    a, b = map(_vector, _whole(params, x, y))
    formed = factored.form([(0.5, twice), (-2.0, once)])
    np.testing.assert_allclose(_vector(formed), 0.5 * a - 2 * b, rtol=1e-4,
                               atol=1e-6)


def test_inner_products():
    params, x, y = _case()
    (twice, _), (once, _) = _gradients(params, x, y)
    a, b = map(_vector, _whole(params, x, y))
    for received, expected in ((factored.dot(twice, once), a @ b),
                               (factored.dot(once, twice), a @ b),
                               (factored.dot(twice, twice), a @ a)):
        np.testing.assert_allclose(received, expected, rtol=2e-5)


@pytest.mark.parametrize('sign', [-1, 1])
def test_the_conflicting_part_is_taken_out(sign):
    params, x, y = _case()
    (twice, _), (once, _) = _gradients(params, x, y)
    # The one sign conflicts, the other does not.
    sign *= np.sign(factored.dot(twice, once))
    part = losses.conflicting_part(sign * factored.dot(twice, once),
                                   factored.dot(once, once))
    g, r = (_vector(factored.form(terms)) for terms in (
        [(sign, twice), (-part, once)], [(1, once)]))
    before = sign * _vector(_whole(params, x, y)[0])
    if before @ r < 0:
        assert abs(g @ r) <= 1e-6 * np.linalg.norm(g) * np.linalg.norm(r)
    else:
        assert part == 0 and g @ r > 0
        np.testing.assert_allclose(g, before, rtol=1e-4, atol=1e-7)


def test_rows_over_devices_are_those_of_one_device():
    params, x, y = _case()

    def products_and_sum(x, y):
        (twice, _), (once, _) = _gradients(params, x, y, 'batch')
        assert twice.outputs
        return (factored.dot(once, twice, 'batch'),
                factored.dot(twice, twice, 'batch'),
                factored.form([(3.0, twice), (1.0, once)], 'batch'))

    once_twice, square, formed = jax.pmap(products_and_sum, axis_name='batch')(
        *(rows.reshape(4, 2, -1) for rows in (x, y)))
    a, b = map(_vector, _whole(params, x, y))
    np.testing.assert_allclose(once_twice, [a @ b] * 4, rtol=2e-5)
    np.testing.assert_allclose(square, [a @ a] * 4, rtol=2e-5)
    for device in range(4):
        np.testing.assert_allclose(
            _vector(jax.tree.map(lambda x: np.asarray(x)[device], formed)),
            3 * a + b, rtol=1e-4, atol=1e-6)
