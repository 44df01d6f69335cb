"""Losses of a batch that is spread over devices equal those of one device.

In each way that JAX has to spread one, values and gradients alike.
"""

import functools

import jax
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses, topology
from topdis_jax import collectives

RNG = jax.random.key(2)
JAX = tuple(int(part) for part in jax.__version__.split('.')[:2])


def _normal(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


WEIGHTS = _normal(3, 6, seed=1)
CODES = _normal(16, 3)
MATRIX = _normal(16, 16, seed=3)


def _weighted(matrix, axis):
    """A sum over a matrix that all devices have, shared out over them."""
    rows = len(MATRIX) // collectives.count(axis)
    return collectives.total(jnp.sum(
        collectives.own_rows(MATRIX, rows, axis)
        * collectives.own_rows(matrix, rows, axis)), axis)


def _topdis(engine, w, z, axis):
    return losses.topdis_loss(lambda z: jnp.tanh(z @ w), z, RNG,
                              axis_name=axis, engine=engine)[0]


def _distances(w, z, axis):
    return topology.pairwise_distances(jnp.tanh(z @ w), axis_name=axis)


def _scaled(w, z, axis):
    return _weighted(topology.scale_by_quantile(_distances(w, z, axis)), axis)


def _rtd(engine, w, z, axis):
    return topology.rtd(_distances(w, z, axis),
                        topology.pairwise_distances(z, axis_name=axis),
                        axis_name=axis, engine=engine)


def _barcode(engine, w, z, axis):
    dist = _distances(w, z, axis)
    bars = topology.relative_barcode(dist, 2 * dist, num_bars=5,
                                     engine=engine)
    return collectives.mean(jnp.sum(bars.deaths ** 2), axis)


def _kl(estimator, w, z, axis):
    parts = losses.decompose_kl(
        z, jnp.tanh(z @ w)[:, :3], z / 10, dataset_size=100,
        estimator=estimator, axis_name=axis)
    return collectives.mean(parts.mutual_information
                            + 2 * parts.total_correlation, axis)


def _sum_with(function, w, z, axis):
    """Of an [n, d] result of rows."""
    return collectives.total(jnp.sum(
        function(z, axis_name=axis) * jnp.tanh(z @ w)[:, :3]), axis)


def _shift(weights, z, axis_name):
    return losses.latent_shift(z, RNG, weights=weights,
                               axis_name=axis_name)[0]


FUNCTIONS = {
    'topdis host': functools.partial(_topdis, 'host'),
    'topdis xla': functools.partial(_topdis, 'xla'),
    'distances': lambda w, z, axis: _weighted(_distances(w, z, axis), axis),
    'scaled': _scaled,
    'rtd host': functools.partial(_rtd, 'host'),
    'rtd xla': functools.partial(_rtd, 'xla'),
    'barcode host': functools.partial(_barcode, 'host'),
    'barcode xla': functools.partial(_barcode, 'xla'),
    'kl weighted': functools.partial(_kl, 'weighted'),
    'kl stratified': functools.partial(_kl, 'stratified'),
    'permuted': functools.partial(_sum_with, functools.partial(
        losses.permute_coordinates, RNG)),
    'sample': functools.partial(_sum_with, lambda z, axis_name:
                                losses.sample_gaussian(
                                    RNG, z, z / 2, axis_name=axis_name)),
    'shift': functools.partial(_sum_with, functools.partial(_shift, None)),
    'weighted shift': functools.partial(
        _sum_with, functools.partial(_shift, np.float32([1, 2, 3]))),
}
# The others' parts are in these.
MAIN = ('topdis host', 'topdis xla', 'kl stratified', 'permuted')


def _gradient(function, axis):
    return jax.value_and_grad(lambda w, z: function(w, z, axis),
                              argnums=(0, 1))


@functools.cache
def _expected(name):
    return jax.jit(_gradient(FUNCTIONS[name], None))(WEIGHTS, CODES)


def _mesh(sizes, names, kind):
    return jax.make_mesh(sizes, names, axis_types=(kind,) * len(sizes))


def _mapped(function, sizes, names, axis, kind=AxisType.Auto, **options):
    """Under shard_map, with its checks: gradients need no reduction."""
    mesh, rows = _mesh(sizes, names, kind), P(axis)
    step = jax.jit(jax.shard_map(
        _gradient(function, axis), mesh=mesh, in_specs=(P(), rows),
        out_specs=(P(), (P(), rows)), **options))
    with jax.set_mesh(mesh):
        return step(*_placed(mesh, rows))


def _placed(mesh, rows):
    return (jax.device_put(WEIGHTS, NamedSharding(mesh, P(None, None))),
            jax.device_put(CODES, NamedSharding(mesh, P(*rows, None))))


def _jitted(function, kind):
    mesh = _mesh((4,), ('d',), kind)
    with jax.set_mesh(mesh):
        return jax.jit(_gradient(function, None))(*_placed(mesh, P('d')))


def _unchecked(function):
    """Mean of the gradients of weights; rows' gradients over the devices."""
    def step(w, z):
        loss, (of_w, of_z) = _gradient(function, 'd')(w, z)
        return loss, (lax.pmean(of_w, 'd'), of_z / lax.axis_size('d'))

    return jax.jit(jax.shard_map(
        step, mesh=_mesh((4,), ('d',), AxisType.Auto),
        in_specs=(P(), P('d')), out_specs=(P(), (P(), P('d'))),
        check_vma=False))(WEIGHTS, CODES)


def _pmapped(function):
    loss, (of_w, of_z) = jax.pmap(
        _gradient(function, 'd'), axis_name='d', in_axes=(None, 0))(
            WEIGHTS, CODES.reshape(4, -1, 3))
    np.testing.assert_allclose(loss, loss[0], rtol=1e-5)
    return loss[0], (jnp.mean(of_w, axis=0), of_z.reshape(CODES.shape) / 4)


WAYS = {
    'shard_map': lambda f: _mapped(f, (4,), ('d',), 'd'),
    'two names': lambda f: _mapped(f, (2, 2), ('a', 'b'), ('a', 'b')),
    'partly manual': lambda f: _mapped(f, (2, 2), ('a', 'b'), 'a',
                                       axis_names={'a'}),
    'partly explicit': lambda f: _mapped(
        f, (2, 2), ('a', 'b'), 'a', AxisType.Explicit, axis_names={'a'}),
    'explicit': lambda f: _jitted(f, AxisType.Explicit),
    'automatic': lambda f: _jitted(f, AxisType.Auto),
    'check_vma=False': _unchecked,
    'pmap': _pmapped,
}
CASES = [(way, name) for way in WAYS for name in FUNCTIONS
         if way in ('shard_map', 'explicit') or name in MAIN]


@pytest.mark.parametrize('way,name', CASES)
def test_equals_one_device(way, name):
    if way == 'partly explicit' and JAX >= (0, 12):
        pytest.skip("JAX 0.12 cannot lower all_gather's transpose there")
    got = WAYS[way](FUNCTIONS[name])
    for one, other in zip(jax.tree.leaves(got),
                          jax.tree.leaves(_expected(name)), strict=True):
        np.testing.assert_allclose(
            one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())


@pytest.mark.parametrize('engine', ['host', 'xla'])
def test_matrices_that_all_devices_have(engine):
    """Under shard_map, gradients need no reduction here either."""
    x, y = (topology.pairwise_distances(_normal(12, 3, seed=seed))
            for seed in (0, 1))
    mesh = _mesh((4,), ('d',), AxisType.Auto)
    many = jax.jit(jax.shard_map(
        jax.value_and_grad(functools.partial(
            topology.rtd, axis_name='d', engine=engine)),
        mesh=mesh, in_specs=(P(), P()), out_specs=(P(), P())))(x, y)
    one = jax.jit(jax.value_and_grad(functools.partial(
        topology.rtd, engine=engine)))(x, y)
    for got, want in zip(many, one):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_a_loss_of_own_rows_is_to_be_a_mean_under_shard_map():
    """What the docstring of topdis_loss says of other terms."""
    def loss(w, z, axis):
        own = jnp.mean(jnp.sin(z @ w))
        return collectives.mean(own, axis) + _topdis('host', w, z, axis)

    got = _mapped(loss, (4,), ('d',), 'd')
    want = jax.jit(_gradient(loss, None))(WEIGHTS, CODES)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
