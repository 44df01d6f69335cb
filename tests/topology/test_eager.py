"""Outside of jit a new shape compiles few programs, not one an operation."""

import jax
import numpy as np
import pytest

from topdis_jax import topology

_COMPILED = []


@pytest.fixture(scope='module', autouse=True)
def _count_programs():
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *args, **kwargs: _COMPILED.append(event)
        if event.endswith('backend_compile_duration') else None)


def _distances(size):
    points = np.random.default_rng(size).normal(size=(2, size, 4))
    return [topology.pairwise_distances(x.astype(np.float32)) for x in points]


def _mtop_div(x, y):
    del y
    return topology.mtop_div(x, np.arange(len(x)) < 20)


# Each function with a size of its own, as programs are kept for the next one.
@pytest.mark.parametrize('size, function, most', [
    (101, lambda x, y: topology.symmetrize(x), 4),
    (102, lambda x, y: topology.minimax_paths(x), 4),
    (103, lambda x, y: topology.scale_by_quantile(x), 4),
    (104, topology.rtd_lite, 4), (105, topology.srtd, 7),
    (106, topology.rtd, 7), (107, _mtop_div, 13),
    (108, lambda x, y: topology.rips_barcode(x)[1].deaths, 11)])
def test_programs_of_a_new_shape(size, function, most):
    first, second = _distances(97), _distances(size)
    function(*first)  # compiles what does not depend on the shape
    jax.block_until_ready(second)
    before = len(_COMPILED)
    assert np.isfinite(function(*second)).all()
    assert 0 < len(_COMPILED) - before <= most, len(_COMPILED) - before
