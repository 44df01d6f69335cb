"""The engine's two ways to a barcode, and how long the second may take."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments.benchmarks import clouds
from tests.topology.test_persistence import (
    KINDS, assert_same, distances, general_bars, random_pair, sorted_bars)
from tests.helpers import reference_persistence as reference
from topdis_jax.topology.engines import host
from topdis_jax.topology.engines.kernels import sums

COHOMOLOGY, HOMOLOGY = 1e6, 0.0  # efforts: without a limit, and none


def entries_by(effort, lower, upper, places=400):
    pair = [np.asarray(m, np.float32)[None] for m in (lower, upper)]
    return host.barcode_entries(*pair, None, places, effort=effort)


def family(shape, second, form, n):
    """(lower, upper) on which columns grow."""
    return clouds.forms(*clouds.family(shape, second, n))[form]


# Column reduction alone takes from seconds to minutes with so many points.
SLOW = [(('circle', 'noise 1', 'min y-x'), 400),
        (('circle', 'unscaled', 'min x-y'), 400),
        (('random symmetric', 'independent', 'max x-y'), 400),
        (('cube', 'independent', 'max x-y'), 1000),
        (('line', 'permuted', 'max x-y'), 1000)]
FAMILIES = [*(case for case, _ in SLOW),
            ('duplicates', 'independent', 'min x-y'),
            ('one-hot', 'permuted', 'max y-x'),
            ('integer', 'independent', 'max x-y'),
            ('sphere in 50', 'permuted', 'max x-y')]


def test_both_ways_give_the_same_entries():
    rng = np.random.default_rng(0)
    for round_ in range(2000):
        lower, upper = random_pair(rng, 40, KINDS[round_ % len(KINDS)])
        if round_ % 3 == 1:
            upper = upper * np.float32(rng.choice([1.5, 3, 8]))
        elif round_ % 3 == 2:  # ties of births with caps
            upper = np.maximum(lower, np.round(4 * upper) / 4)
        assert_same(entries_by(COHOMOLOGY, lower, upper),
                    entries_by(HOMOLOGY, lower, upper))


@pytest.mark.parametrize('effort', [0.04, 0.4, 1.2])
def test_where_one_way_ends_and_the_other_takes_over(effort):
    rng = np.random.default_rng(1)
    for _ in range(50):
        lower, upper = random_pair(rng, 60)
        assert_same(entries_by(COHOMOLOGY, lower, upper),
                    entries_by(effort, lower, upper))


@pytest.mark.parametrize('case', FAMILIES, ids=str)
def test_families_on_which_columns_grow(case):
    lower, upper = family(*case, 48)
    assert_same(entries_by(COHOMOLOGY, lower, upper, 1200),
                entries_by(HOMOLOGY, lower, upper, 1200))
    peer = pytest.importorskip('redzed_tda')
    expected = peer.rips(reference.doubled(lower, upper))[1]
    np.testing.assert_allclose(
        sorted_bars(host.relative_h1(lower, upper)),
        general_bars(expected), rtol=1e-6)


# Of so many points, the second way looks for a witness only when asked.
@pytest.mark.parametrize('case', [
    ('duplicates', 'independent', 'min x-y'),
    ('one-hot', 'permuted', 'max y-x'),
    ('integer', 'independent', 'max x-y'),
    ('clusters', 'noise 0.1', 'min x-y'),
    ('cube', 'noise 0.1', 'min x-y'),
    ('sphere in 50', 'noise 0.1', 'max x-y')], ids=str)
def test_both_ways_with_many_points(case):
    lower, upper = family(*case, sums.MANY_CODES + 16)
    assert_same(entries_by(COHOMOLOGY, lower, upper, 1000),
                entries_by(HOMOLOGY, lower, upper, 1000))


@pytest.mark.parametrize('case, n', SLOW, ids=str)
def test_no_family_takes_long(case, n):
    lower, upper = family(*case, n)
    host.warm_up()
    start = time.perf_counter()
    bars = host.relative_h1(lower, upper)
    # Half a second on a quiet core.
    assert time.perf_counter() - start < 10
    assert len(bars.births) > 0


def test_homology_of_the_plain_reduction():
    rng = np.random.default_rng(2)
    for _ in range(100):
        lower, upper = random_pair(rng, 12)
        entries = entries_by(HOMOLOGY, lower, upper)
        count = int(entries.count[0])
        births, deaths, capped = (part[0, :count] for part in entries[:3])
        ends = np.where(capped, upper[tuple(deaths.T)],
                        lower[tuple(deaths.T)])
        bars = np.reshape(sorted(zip(lower[tuple(births.T)], ends)), (-1, 2))
        np.testing.assert_array_equal(bars, reference.bars(lower, upper))


def test_sums_of_many_edges():
    """Points on a curve: an edge is the sum of all short ones below it."""
    n = 300
    points = np.arange(n)[:, None] + 0.1 * np.random.default_rng(
        3).random((n, 1))
    x = distances(points)
    upper = 2 * distances(points[::-1] + 0.0)[::-1, ::-1]
    assert_same(entries_by(COHOMOLOGY, x, np.maximum(x, upper), 4 * n),
                entries_by(HOMOLOGY, x, np.maximum(x, upper), 4 * n))


def test_many_generators():
    """All n^2 / 4 edges of a bipartite graph can give a bar."""
    n = 40
    side = np.arange(n) % 2
    rng = np.random.default_rng(4)
    upper = rng.uniform(2, 3, (n, n)).astype(np.float32)
    upper = np.maximum(upper, upper.T) * ~np.eye(n, dtype=bool)
    lower = np.where(side[:, None] == side, upper, 1) * (upper > 0)
    assert_same(entries_by(COHOMOLOGY, lower, upper, 500),
                entries_by(HOMOLOGY, lower, upper, 500))


_INTERRUPTED = """
import sys
import numpy as np
from topdis_jax.topology.engines import host
rng = np.random.default_rng(0)
x, y = (np.triu(rng.random((3000, 3000), np.float32), 1) for _ in range(2))
x, y = x + x.T, y + y.T
host.warm_up()
print('ready', flush=True)
host.relative_h1(y, np.maximum(x, y))
print('done', flush=True)
"""


def test_ctrl_c_ends_a_long_barcode():
    process = subprocess.Popen(
        [sys.executable, '-c', _INTERRUPTED], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'ready\n'
    time.sleep(2)
    start = time.perf_counter()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    # One second on a quiet machine, half a minute to the end of the barcode.
    assert time.perf_counter() - start < 10
    assert 'done' not in out and 'KeyboardInterrupt' in err
