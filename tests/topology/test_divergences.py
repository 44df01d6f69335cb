"""The family of divergences: golden values, identities, gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.places import GOLDEN as GOLDEN_FOLDER
from topdis_jax import topology
from topdis_jax.topology.entries import weights_at

# Made by the programs of RTD-Lite and SRTD-NTS, after division by the 0.9
# quantile over all n^2 entries.
GOLDEN = np.load(GOLDEN_FOLDER / 'divergences.npz')
CASES = range(int(GOLDEN['n']))
UNARY = {'x': lambda x, y: x, 'y': lambda x, y: y, 'min': jnp.minimum,
         'max': jnp.maximum}


def scaled(cloud):
    return topology.scale_by_quantile(topology.pairwise_distances(cloud))


def golden_pair(case):
    return tuple(scaled(GOLDEN[f'c{case}_{side}']) for side in 'xy')


def clouds(n, seed=0, dims=(3, 5), ties=False):
    """Two distance matrices [n, n] in correspondence."""
    rng = np.random.default_rng(seed)
    pair = [rng.integers(0, 3, (n, d)) if ties else rng.normal(size=(n, d))
            for d in dims]
    return tuple(topology.pairwise_distances(np.asarray(x, np.float32))
                 for x in pair)


def total_weight(dist):
    return float(jnp.sum(weights_at(dist, topology.spanning_tree(dist))))


@pytest.mark.parametrize('case', CASES)
def test_spanning_trees_against_golden_values(case):
    found = [total_weight(form(*golden_pair(case)))
             for form in UNARY.values()]
    np.testing.assert_allclose(found, GOLDEN[f'c{case}_mst'], rtol=1e-5)


@pytest.mark.parametrize('case', CASES)
def test_bars_of_rtd_lite_against_golden_values(case):
    x, y = golden_pair(case)
    for pair, name in (((x, y), 'lite_12'), ((y, x), 'lite_21')):
        bars = topology.rtd_lite_barcode(*pair)
        expected = np.sort(GOLDEN[f'c{case}_{name}'])[::-1]
        length = np.asarray(bars.deaths - bars.births)
        assert np.all(length[:-1] >= length[1:])
        # The programs leave out bars that are shorter than their tolerance.
        np.testing.assert_allclose(length[:len(expected)], expected, atol=1e-5)
        np.testing.assert_allclose(length[len(expected):], 0, atol=1e-5)


@pytest.mark.parametrize('case', CASES)
def test_nts_against_golden_values(case):
    x, y = golden_pair(case)
    found = topology.nts(x, y), topology.nts(x, y, minimax=True)
    np.testing.assert_allclose(found, GOLDEN[f'c{case}_nts'], atol=1e-5)


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('ties', [False, True])
def test_identities_and_bounds(seed, ties):
    x, y = clouds(20, seed, ties=ties)
    low, high = jnp.minimum(x, y), jnp.maximum(x, y)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    lite = {form: topology.rtd_lite(x, y, form=form)
            for form in ('min', 'max', 'both')}
    close(lite['both'], lite['min'] + lite['max'])
    close(lite['both'], total_weight(high) - total_weight(low))
    assert topology.rtd(x, y, forms='min',
                        num_bars=None) >= lite['min'] - 1e-5
    for form, value in lite.items():
        close(value, topology.rtd_lite(y, x, form=form))
        assert value >= -1e-5
        assert topology.rtd_lite(x, x, form=form) == 0
    close(topology.srtd(x, y), topology.srtd(y, x))
    assert topology.srtd(x, x) == 0
    for pair in ((x, y), (y, x)):
        bars = topology.rtd_lite_barcode(*pair)
        close(jnp.sum(bars.deaths - bars.births),
              total_weight(pair[0]) - total_weight(low))
        assert np.all(bars.deaths >= bars.births)


@pytest.mark.parametrize('seed', range(4))
def test_srtd_is_the_barcode_of_its_own_matrix(seed):
    """By a general program: an apex over a copy with max(x, y), which is
    glued to a copy with min(x, y)."""
    redzed = pytest.importorskip('redzed_tda')
    n, far = 12, 1e3
    x, y = clouds(n, seed)
    low, high = (np.asarray(form(x, y), float)
                 for form in (jnp.minimum, jnp.maximum))
    matrix = np.full((2 * n + 1, 2 * n + 1), far)
    matrix[:n, :n], matrix[n:-1, n:-1] = high, low
    matrix[:n, n:-1] = np.where(np.tri(n, dtype=bool).T, high, far)
    matrix[n:-1, :n] = matrix[:n, n:-1].T
    matrix[-1, :n] = matrix[:n, -1] = matrix[-1, -1] = 0
    diagram = np.asarray(redzed.rips(matrix)[1], float)
    lengths = [death - birth for birth, death in diagram if death < far]
    np.testing.assert_allclose(topology.srtd(x, y, num_bars=None),
                               np.sum(lengths), rtol=1e-5)


def test_mtop_div_by_hand():
    """A square whose corners are the first cloud; the second is one point."""
    first = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    both = np.concatenate([first, [[10.0, 10.0]]]).astype(np.float32)
    dist = topology.pairwise_distances(both)
    is_first = np.arange(5) < 4
    np.testing.assert_allclose(topology.mtop_div(dist, is_first),
                               np.sqrt(2) - 1, rtol=1e-5)
    # What the second cloud covers is no hole.
    twice = topology.pairwise_distances(np.concatenate([both[:4], both[:4]]))
    assert topology.mtop_div(twice, np.arange(8) < 4) == 0
    bad = jax.jit(topology.mtop_div)(dist.at[4, 3].set(jnp.nan), is_first)
    assert np.isnan(bad)


FUNCTIONS = {
    'srtd': topology.srtd,
    'rtd_lite min': topology.rtd_lite,
    'rtd_lite max': functools.partial(topology.rtd_lite, form='max'),
    'rtd_lite both': functools.partial(topology.rtd_lite, form='both'),
    'rtd_lite bars': lambda x, y, **options: jnp.sum(jnp.square(jnp.subtract(
        *topology.rtd_lite_barcode(x, y, **options)[1::-1]))),
}


@pytest.mark.parametrize('name', FUNCTIONS)
def test_gradients_by_finite_differences(name):
    function, rng = FUNCTIONS[name], np.random.default_rng(1)
    x, y = clouds(8, 3)
    change = [rng.normal(size=(8, 8)) for _ in range(2)]
    change = [jnp.asarray(np.triu(c, 1) + np.triu(c, 1).T, jnp.float32)
              for c in change]
    grads = jax.grad(function, argnums=(0, 1))(x, y)
    for grad in grads:
        np.testing.assert_array_equal(grad, grad.T)
    step = 1e-3
    ends = [function(x + s * change[0], y + s * change[1])
            for s in (step, -step)]
    np.testing.assert_allclose(
        sum(jnp.vdot(g, c) for g, c in zip(grads, change)),
        (ends[0] - ends[1]) / (2 * step), rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize('name', FUNCTIONS)
def test_masked_is_compressed(name):
    function = jax.jit(FUNCTIONS[name])
    x, y = clouds(12, 5)
    mask = np.random.default_rng(0).random(12) < 0.6
    kept = np.ix_(mask, mask)
    spoilt = [jnp.where(mask[:, None] & mask[None, :], m, jnp.nan)
              for m in (x, y)]
    value, grads = jax.value_and_grad(
        lambda x, y: function(x, y, mask=mask), argnums=(0, 1))(*spoilt)
    expected, some = jax.value_and_grad(function, argnums=(0, 1))(
        x[kept], y[kept])
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    for grad, other in zip(grads, some):
        np.testing.assert_allclose(np.asarray(grad)[kept], other, atol=1e-6)
        assert np.all(np.asarray(grad)[~mask] == 0)


@pytest.mark.parametrize('name', FUNCTIONS)
def test_values_that_are_not_valid(name):
    function, (x, y) = FUNCTIONS[name], clouds(6)
    for value in (np.nan, np.inf, -1.0):
        bad = x.at[1, 2].set(value).at[2, 1].set(value)
        assert np.isnan(jax.jit(function)(bad, y))
        with pytest.raises(ValueError, match='dist_x must'):
            function(bad, y)
    with pytest.raises(ValueError, match='shape'):
        function(x, y[:5, :5])


@pytest.mark.parametrize('n', [0, 1, 2])
@pytest.mark.parametrize('name', FUNCTIONS)
def test_few_points(name, n):
    x, y = clouds(n) if n else 2 * (jnp.zeros((0, 0)),)
    value, grads = jax.value_and_grad(FUNCTIONS[name], argnums=(0, 1))(x, y)
    assert np.isfinite(value) and all(np.all(np.isfinite(g)) for g in grads)
    if n < 2:
        assert value == 0


@pytest.mark.parametrize('name', FUNCTIONS)
def test_vmap_is_a_loop(name):
    pairs = [clouds(7, seed) for seed in range(3)]
    x, y = map(jnp.stack, zip(*pairs))
    np.testing.assert_allclose(
        jax.vmap(FUNCTIONS[name])(x, y),
        [FUNCTIONS[name](*pair) for pair in pairs], rtol=1e-6)


def test_nts_of_what_has_no_correlation():
    x, _ = clouds(6)
    with pytest.raises(ValueError, match='one weight only in dist_y'):
        topology.nts(x, 1 - jnp.eye(6))
    with pytest.raises(ValueError, match='form must be one of'):
        topology.rtd_lite(x, x, form='sum')


@pytest.mark.parametrize('divergence', ['srtd', 'rtd_lite min'])
@pytest.mark.parametrize('platform', ['tpu', 'cuda'])
def test_accelerators_need_no_callback(divergence, platform):
    x, y = clouds(16)
    program = jax.jit(jax.grad(FUNCTIONS[divergence])).trace(x, y).lower(
        lowering_platforms=(platform,))
    assert 'callback' not in program.as_text()
