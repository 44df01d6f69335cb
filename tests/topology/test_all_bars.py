"""num_bars=None: all bars, or none where there are more than places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import topology
from topdis_jax.topology.engines import host


def _clouds(n, seed=0, whole=False):
    """Distances of two clouds; of many ties if the points are whole."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(2, n, 3))
    points = np.round(points) if whole else points
    return [jnp.asarray(np.abs(p[:, None] - p[None]).sum(-1), jnp.float32)
            for p in points]


def _bipartite(n):
    """One bar for each of the (n / 2) ** 2 edges between two sides."""
    between = np.arange(n)[:, None] % 2 != np.arange(n)[None] % 2
    lower = np.where(between, 1, 2) * ~np.eye(n, dtype=bool)
    return lower.astype(np.float32), (lower * 3).astype(np.float32)


@pytest.mark.parametrize('whole', [False, True])
def test_all_bars_of_clouds(whole):
    x, y = _clouds(30, whole=whole)
    lower = jnp.minimum(x, y)
    expected = host.relative_h1(lower, x)
    for function in (topology.relative_barcode, jax.jit(
            topology.relative_barcode, static_argnames='num_bars')):
        bars = function(lower, x, num_bars=None)
        count = int(bars.count)
        assert count == len(expected.births)
        np.testing.assert_array_equal(bars.births[:count], expected.births)
        np.testing.assert_array_equal(bars.deaths[:count], expected.deaths)
        assert not np.any(bars.deaths[count:])


def test_all_bars_of_rtd():
    x, y = _clouds(40)
    alone = [host.relative_h1(np.minimum(x, y), m) for m in (x, y)]
    total = sum(np.sum(b.deaths - b.births, dtype=float) for b in alone)
    options = dict(num_bars=None, forms=('min',))
    assert len(alone[0].births) > 50 or topology.rtd(
        x, y, num_bars=5, forms='min') < topology.rtd(x, y, **options)
    loss, grad = jax.jit(jax.value_and_grad(
        lambda x, y: topology.rtd(x, y, **options)))(x, y)
    np.testing.assert_allclose(loss, total / 2, rtol=1e-5)
    np.testing.assert_allclose(topology.rtd(x, y, **options), loss, rtol=1e-6)
    assert np.all(np.isfinite(grad))


def test_more_bars_than_places():
    lower, upper = _bipartite(40)
    expected = host.relative_h1(lower, upper)
    count = len(expected.births)
    assert count > 4 * 40 + 16
    bars = topology.relative_barcode(lower, upper, num_bars=None)
    assert bars.count == count
    np.testing.assert_array_equal(bars.deaths[:count], expected.deaths)
    compiled = jax.jit(lambda *pair: topology.relative_barcode(
        *pair, num_bars=None))(lower, upper)
    assert compiled.count == count  # what num_bars must be
    assert np.all(np.isnan(compiled.births)) and np.all(
        np.isnan(compiled.deaths))


def test_eager_calls_neither_trace_nor_compile_again(caplog):
    x, y = _clouds(9)
    calls = (lambda: topology.rtd(x, y), lambda: topology.rtd(
        x, y, engine='xla'), lambda: topology.relative_barcode(
            x, 2 * x, num_bars=None))
    for call in calls:
        call()
    with jax.log_compiles():
        for call in calls:
            call()
    assert not [r.message for r in caplog.records if 'ompil' in r.message]
