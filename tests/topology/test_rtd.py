"""Barcodes and RTD: laws, golden values, finite differences, transforms."""

import itertools

import chex
import jax
from jax.sharding import Mesh, PartitionSpec
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.places import GOLDEN as GOLDEN_FOLDER
from topdis_jax import topology

# Values of the published PyTorch code (its RTD with ripser on the CPU).
GOLDEN = np.load(GOLDEN_FOLDER / 'rtd.npz')


def _clouds(n=16, d=3, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = x + noise * rng.normal(size=(n, d))
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)


def _distances(*args, **kwargs):
    return [topology.scale_by_quantile(topology.pairwise_distances(cloud))
            for cloud in _clouds(*args, **kwargs)]


def _loss(x, y, **options):
    scaled = [topology.scale_by_quantile(topology.pairwise_distances(cloud))
              for cloud in (x, y)]
    return topology.rtd(*scaled, **options)


def _golden_distances(case):
    """Its distances have a rounded diagonal and are symmetric to 1e-7."""
    pair = []
    for name in ('d1', 'd2'):
        dist = GOLDEN[f'c{case}_{name}'].copy()
        np.fill_diagonal(dist, 0)
        pair.append(np.triu(dist) + np.triu(dist).T)
    return pair


class VariantsTest(chex.TestCase):

    @chex.variants(with_jit=True, without_jit=True, with_device=True,
                   without_device=True)
    def test_golden_losses(self):
        for i in range(int(GOLDEN['n'])):
            x, y = GOLDEN[f'c{i}_x'], GOLDEN[f'c{i}_y']
            power = int(GOLDEN[f'c{i}_lp'])
            loss = self.variant(
                lambda x, y: _loss(x, y, power=power))(x, y)  # noqa: B023
            np.testing.assert_allclose(loss, GOLDEN[f'c{i}_loss'], rtol=1e-4)

    @chex.variants(with_pmap=True)
    def test_golden_loss_under_pmap(self):
        x, y = GOLDEN['c2_x'], GOLDEN['c2_y']
        loss = self.variant(_loss)(x, y)  # a copy on each device
        np.testing.assert_allclose(loss, GOLDEN['c2_loss'], rtol=1e-4)


@pytest.mark.parametrize('case', range(int(GOLDEN['n'])))
def test_golden_parts(case):
    x, y = _golden_distances(case)
    power = int(GOLDEN[f'c{case}_lp'])
    parts = [topology.rtd(*pair, power=power, forms=(form,), symmetric=False)
             for pair in ((x, y), (y, x)) for form in ('min', 'max')]
    np.testing.assert_allclose(parts, GOLDEN[f'c{case}_parts'], rtol=1e-4)


@pytest.mark.parametrize('case', range(int(GOLDEN['n'])))
def test_golden_gradients(case):
    power = int(GOLDEN[f'c{case}_lp'])
    distances = _golden_distances(case)
    of_distances = jax.jit(jax.grad(
        lambda x, y: topology.rtd(x, y, power=power), argnums=(0, 1)))(
            *distances)
    clouds = GOLDEN[f'c{case}_x'], GOLDEN[f'c{case}_y']
    of_clouds = jax.jit(jax.grad(
        lambda x, y: _loss(x, y, power=power), argnums=(0, 1)))(*clouds)
    for name, got in zip(('gx', 'gy'), of_clouds):
        want = GOLDEN[f'c{case}_{name}']
        np.testing.assert_allclose(got, want, atol=2e-3 * np.abs(want).max())
    for name, got in zip(('gd1', 'gd2'), of_distances):
        want = GOLDEN[f'c{case}_{name}']
        # The published one fills one of [i, j] and [j, i].
        want = (want + want.T) / 2
        np.testing.assert_allclose(got, want, atol=2e-3 * np.abs(want).max())


def test_zero_on_itself_with_zero_gradient():
    x, _ = _clouds()
    dist = topology.pairwise_distances(x)
    loss, grad = jax.jit(jax.value_and_grad(topology.rtd))(dist, dist)
    assert loss == 0
    np.testing.assert_array_equal(grad, 0)


def test_symmetric_in_its_arguments():
    x, y = _distances()
    np.testing.assert_allclose(topology.rtd(x, y), topology.rtd(y, x),
                               rtol=1e-6)


def test_symmetric_is_half_the_sum_of_directions():
    x, y = _distances()
    sides = [topology.rtd(*pair, symmetric=False) for pair in ((x, y), (y, x))]
    np.testing.assert_allclose(topology.rtd(x, y), sum(sides) / 2, rtol=1e-6)


def test_scales_with_the_power():
    x, y = _distances()
    for power in (1, 2):
        np.testing.assert_allclose(
            topology.rtd(3 * x, 3 * y, power=power),
            3 ** power * topology.rtd(x, y, power=power), rtol=1e-5)


def test_invariant_under_a_common_order_of_the_points():
    x, y = _clouds()
    order = np.random.default_rng(1).permutation(len(x))
    np.testing.assert_allclose(_loss(x, y), _loss(x[order], y[order]),
                               rtol=1e-6)


@pytest.mark.parametrize('n', [0, 1, 2])
def test_degenerate_sizes_have_no_bar(n):
    bars = topology.relative_barcode(jnp.zeros((n, n)), jnp.zeros((n, n)))
    assert bars.count == 0
    np.testing.assert_array_equal(bars.deaths, 0)
    assert topology.rtd(jnp.zeros((n, n)), jnp.zeros((n, n))) == 0


def test_two_points_have_the_bar_of_their_edge():
    lower = jnp.asarray([[0, 1.0], [1, 0]])
    upper = jnp.asarray([[0, 3.0], [3, 0]])
    bars = topology.relative_barcode(lower, upper, num_bars=2)
    np.testing.assert_array_equal(bars.births, [1, 0])
    np.testing.assert_array_equal(bars.deaths, [3, 0])
    assert bars.count == 1


@pytest.mark.parametrize('power', [1, 2])
@pytest.mark.parametrize('seed', range(3))
def test_gradient_equals_finite_differences(power, seed):
    x, y = _clouds(n=12, seed=seed)
    rng = np.random.default_rng(seed)
    direction = jnp.asarray(rng.normal(size=x.shape), jnp.float32)
    # The scale is constant to autodiff, so it stays out of this.

    @jax.jit
    def loss(x):
        return topology.rtd(topology.pairwise_distances(x),
                            topology.pairwise_distances(y), power=power)

    step = 1e-3
    numeric = (loss(x + step * direction) - loss(x - step * direction)) / (
        2 * step)
    exact = jnp.vdot(jax.grad(loss)(x), direction)
    np.testing.assert_allclose(exact, numeric, rtol=2e-2)


def test_gradient_is_symmetric():
    lower = jnp.asarray([[0, 1.0], [1, 0]])
    # Not under jit, as some users will.
    grads = jax.grad(topology.rtd, argnums=(0, 1))(lower, 2 * lower)
    for grad in grads:
        np.testing.assert_array_equal(grad, np.transpose(grad))
    # Both barcodes of y -> x are the bar [x, y], so rtd is y - x.
    np.testing.assert_allclose(grads[0][0, 1], -0.5)
    np.testing.assert_allclose(grads[1][0, 1], 0.5)


def test_equal_entries_share_the_gradient():
    x = jnp.asarray([[0, 1.0], [1, 0]])
    # Barcode (min(x, y), max(x, y)) where x = y up to a constant that is added
    # afterwards: births are half of each.

    def births(x, y):
        bars = topology.relative_barcode(
            jnp.minimum(x, y), jnp.maximum(x, y) + 1 - jnp.eye(2), num_bars=1)
        return bars.births[0]

    for grad in jax.jit(jax.grad(births, argnums=(0, 1)))(x, x):
        np.testing.assert_allclose(grad, [[0, 0.25], [0.25, 0]])


def test_masked_equals_compressed():
    x, y = _distances(n=20)
    mask = np.random.default_rng(0).random(20) < 0.7
    junk = ~(mask[:, None] & mask[None, :])
    noisy = [jnp.where(junk, jnp.nan, d) for d in (x, y)]
    compressed = [d[mask][:, mask] for d in (x, y)]

    loss, grads = jax.jit(jax.value_and_grad(
        lambda x, y: topology.rtd(x, y, mask=mask), argnums=(0, 1)))(*noisy)
    expected, small = jax.jit(jax.value_and_grad(
        topology.rtd, argnums=(0, 1)))(*compressed)
    assert loss == expected
    for grad, want in zip(grads, small):
        np.testing.assert_array_equal(grad[mask][:, mask], want)
        np.testing.assert_array_equal(np.asarray(grad)[junk], 0)


def test_fewer_bars_are_the_longest():
    x, y = _distances(n=30)
    lower = jnp.minimum(x, y)
    full = topology.relative_barcode(lower, x, num_bars=100)
    few = topology.relative_barcode(lower, x, num_bars=5)
    assert few.count == full.count > 5
    np.testing.assert_array_equal(few.deaths, full.deaths[:5])
    length = np.asarray(full.deaths - full.births)
    assert np.all(np.diff(length) <= 0)


def _invalid():
    x, y = (np.array(d) for d in _distances(n=6))
    for name, value in (('nan', np.nan), ('inf', np.inf), ('negative', -1.0)):
        bad = x.copy()
        bad[1, 2] = bad[2, 1] = value
        yield name, bad, y
    bad = x.copy()
    bad[1, 2] += 1
    yield 'asymmetric', bad, y
    bad = x.copy()
    bad[3, 3] = 1
    yield 'diagonal', bad, y


@pytest.mark.parametrize('bad,y', [i[1:] for i in _invalid()],
                         ids=[i[0] for i in _invalid()])
def test_invalid_values_give_nan_and_the_process_lives(bad, y):
    loss = jax.jit(topology.rtd)
    assert np.isnan(loss(bad, y))
    assert np.isfinite(loss(y, y))


def test_lower_above_upper_gives_nan():
    x, _ = _distances(n=5)
    bars = jax.jit(topology.relative_barcode)(2 * x, x)
    assert bars.count == -1 and np.all(np.isnan(bars.deaths))


def test_transforms_agree():
    pairs = [_distances(n=10, seed=seed) for seed in range(4)]
    x, y = (jnp.stack(d) for d in zip(*pairs))
    single = jnp.stack([topology.rtd(a, b) for a, b in pairs])
    gradient = jax.jit(jax.grad(topology.rtd))
    grads = jnp.stack([gradient(a, b) for a, b in pairs])

    def check(losses, got):
        np.testing.assert_allclose(losses.reshape(4), single, rtol=1e-6)
        np.testing.assert_allclose(got.reshape(4, 10, 10), grads, rtol=1e-6)

    one = jax.value_and_grad(topology.rtd)
    check(*jax.vmap(one)(x, y))
    check(*jax.jit(jax.vmap(jax.vmap(one)))(
        x.reshape(2, 2, 10, 10), y.reshape(2, 2, 10, 10)))
    check(*jax.lax.scan(lambda c, d: (c, one(*d)), None, (x, y))[1])
    check(*jax.pmap(one)(x, y))
    mesh = Mesh(np.array(jax.devices()[:4]), ('d',))
    spec = PartitionSpec('d')
    check(*jax.jit(jax.shard_map(
        jax.vmap(one), mesh=mesh, in_specs=(spec, spec),
        out_specs=(spec, spec), check_vma=False))(x, y))


def test_leading_dimensions_equal_a_loop():
    pairs = [_distances(n=9, seed=seed) for seed in range(6)]
    lower = jnp.stack([jnp.minimum(*p) for p in pairs]).reshape(2, 3, 9, 9)
    upper = jnp.stack([p[0] for p in pairs]).reshape(2, 3, 9, 9)
    bars = topology.relative_barcode(lower, upper, num_bars=7)
    chex.assert_shape(bars.births, (2, 3, 7))
    for i, j in itertools.product(range(2), range(3)):
        one = topology.relative_barcode(lower[i, j], upper[i, j], num_bars=7)
        np.testing.assert_array_equal(one.births, bars.births[i, j])
        np.testing.assert_array_equal(one.deaths, bars.deaths[i, j])


@pytest.mark.parametrize('devices', [1, 2, 4])
def test_barcodes_shared_out_over_devices(devices):
    x, y = _distances(n=12)
    loss, grad = jax.jit(jax.value_and_grad(topology.rtd))(x, y)
    shared = jax.pmap(
        jax.value_and_grad(lambda x, y: topology.rtd(x, y, axis_name='d')),
        axis_name='d', devices=jax.devices()[:devices])
    losses, grads = shared(*(jnp.stack([d] * devices) for d in (x, y)))
    np.testing.assert_allclose(losses, [loss] * devices, rtol=1e-6)
    np.testing.assert_allclose(np.mean(grads, axis=0), grad, rtol=1e-5,
                               atol=1e-7)


def test_traced_once():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def loss(x, y):
        return topology.rtd(x, y)

    for seed in range(3):
        loss(*_distances(n=8, seed=seed))


def test_messages():
    x, y = _distances(n=4)
    with pytest.raises(ValueError, match=r'\(4, 3\)'):
        topology.rtd(x[:, :3], y)
    with pytest.raises(ValueError, match=r'\(3, 3\)'):
        topology.rtd(x, y[:3, :3])
    with pytest.raises(TypeError, match='int32'):
        topology.rtd(x, y.astype(jnp.int32))
    with pytest.raises(ValueError, match='num_bars'):
        topology.rtd(x, y, num_bars=0)
    with pytest.raises(ValueError, match='power'):
        topology.rtd(x, y, power=0.5)
    with pytest.raises(ValueError, match='forms'):
        topology.rtd(x, y, forms=('mean',))
    with pytest.raises(ValueError, match='engine'):
        topology.rtd(x, y, engine='gpu')
    with pytest.raises(ValueError, match='mask'):
        topology.rtd(x, y, mask=jnp.ones(3, bool))
