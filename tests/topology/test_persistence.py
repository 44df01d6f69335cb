"""The persistence engine against three other ways to its bars."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers import reference_persistence as reference
import topdis_jax
from topdis_jax.topology.engines import host
from topdis_jax.topology.engines.kernels import engine, handler

KINDS = ('plain', 'tied', 'duplicates', 'permuted', 'integer', 'identical',
         'random')


def distances(x):
    differences = x[:, None] - x[None]
    return np.sqrt((differences ** 2).sum(-1)).astype(np.float32)


def random_pair(rng, max_points=40, kind=None):
    """(lower, upper) of one of the forms that RTD uses."""
    kind = kind or rng.choice(KINDS)
    n, dim = rng.integers(max_points + 1), rng.integers(1, 7)
    x = rng.normal(size=(n, dim))
    y = x + rng.choice([0.2, 0.5, 1.0]) * rng.normal(size=(n, dim))
    if kind == 'tied':
        x, y = np.round(x), np.round(y)
    elif kind == 'duplicates' and n:
        x, y = x[rng.integers(n, size=n)], y[rng.integers(n, size=n)]
    elif kind == 'permuted':
        y = rng.permutation(x)
    elif kind == 'identical':
        y = x
    x, y = distances(x), distances(y)
    if kind == 'integer':
        x, y = np.ceil(2 * x), np.ceil(2 * y)
    elif kind == 'random':  # not even the triangle inequality
        x, y = (np.triu(rng.random((n, n), np.float32), 1) for _ in range(2))
        x, y = x + x.T, y + y.T
    if rng.random() < 0.5:
        return np.minimum(x, y), x
    return y, np.maximum(x, y)


def batch_of(rng, shape, n):
    lower = np.zeros((*shape, n, n), np.float32)
    upper = np.zeros((*shape, n, n), np.float32)
    for place in np.ndindex(shape):
        while len(lower[place]) and not lower[place].any():
            a, b = random_pair(rng, n)
            if len(a) == n:
                lower[place], upper[place] = a, b
    return lower, upper


def sorted_bars(bars):
    pairs = np.stack([bars.births, bars.deaths], axis=-1).astype(float)
    return pairs[np.lexsort(pairs.T[::-1])]


def general_bars(diagram):
    diagram = np.asarray(diagram, float).reshape(-1, 2)
    # The empty cloud aside, a general program has no infinite bar here.
    diagram = diagram[np.isfinite(diagram[:, 1])]
    diagram = diagram[diagram[:, 0] < diagram[:, 1]]
    return diagram[np.lexsort(diagram.T[::-1])]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('program', ['redzed_tda', 'gph'])
def test_agrees_with_general_programs(program):
    module = pytest.importorskip(program)
    rng = np.random.default_rng(1)
    for _ in range(2000):
        lower, upper = random_pair(rng)
        if len(lower) == 0:
            expected = np.zeros((0, 2))
        elif program == 'gph':
            expected = module.ripser_parallel(
                reference.doubled(lower, upper), maxdim=1,
                metric='precomputed')['dgms'][1]
        else:
            expected = module.rips(reference.doubled(lower, upper))[1]
        np.testing.assert_allclose(
            sorted_bars(host.relative_h1(lower, upper)),
            general_bars(expected), rtol=1e-6)


def test_agrees_with_plain_reduction():
    rng = np.random.default_rng(2)
    for round_ in range(210):
        lower, upper = random_pair(rng, 12, KINDS[round_ % len(KINDS)])
        np.testing.assert_array_equal(
            sorted_bars(host.relative_h1(lower, upper)),
            reference.bars(lower, upper))


def test_two_values():
    """Only ties, of births with one another and with deaths."""
    rng = np.random.default_rng(3)
    for n in (3, 5, 8, 11):
        lower = np.triu(rng.integers(1, 3, (n, n)), 1)
        lower = lower + lower.T
        upper = np.where(np.eye(n, dtype=bool), 0, 3)
        np.testing.assert_array_equal(
            sorted_bars(host.relative_h1(lower, upper)),
            reference.bars(lower, upper))


def test_long_columns_and_many_candidates():
    """A bipartite graph: all its n^2 / 4 edges are candidates."""
    n = 40
    side = np.arange(n) % 2
    rng = np.random.default_rng(4)
    upper = rng.uniform(2, 3, (n, n))
    upper = np.maximum(upper, upper.T) * ~np.eye(n, dtype=bool)
    lower = np.where(side[:, None] == side, upper, 1) * (upper > 0)
    rz = pytest.importorskip('redzed_tda')
    expected = rz.rips(reference.doubled(lower, upper))[1]
    bars = host.relative_h1(lower, upper)
    assert len(bars.births) > 4 * n
    np.testing.assert_allclose(sorted_bars(bars), general_bars(expected),
                               rtol=1e-6)


@pytest.mark.parametrize('n', [0, 1, 2])
def test_degenerate_sizes(n):
    lower = np.ones((n, n), np.float32) - np.eye(n, dtype=np.float32)
    assert len(host.relative_h1(lower, lower).births) == 0
    bars = host.relative_h1(lower, 2 * lower)
    assert list(bars.births) == [1.0] * (n == 2)
    assert list(bars.deaths) == [2.0] * (n == 2)
    entries = host.barcode_entries(lower, lower, None, 3)
    assert entries.count == 0 and entries.count.shape == ()
    assert entries.birth_edges.shape == (3, 2)


def test_equal_matrices_have_no_bar():
    lower, _ = random_pair(np.random.default_rng(5), 40, 'plain')
    assert len(host.relative_h1(lower, lower).births) == 0


def test_minus_zero_is_zero():
    lower = np.array([[0, 1, 1], [1, 0, -0.0], [1, 0.0, -0.0]])
    bars = host.relative_h1(lower, 2 * np.abs(lower))
    np.testing.assert_array_equal(
        sorted_bars(bars), reference.bars(np.abs(lower), 2 * np.abs(lower)))


def test_entries_reproduce_values_longest_first():
    rng = np.random.default_rng(6)
    for _ in range(50):
        lower, upper = random_pair(rng)
        bars = host.relative_h1(lower, upper)
        at_birth, at_death = tuple(bars.birth_edges.T), tuple(
            bars.death_edges.T)
        np.testing.assert_array_equal(bars.births, lower[at_birth])
        np.testing.assert_array_equal(bars.deaths, np.where(
            bars.capped, upper[at_death], lower[at_death]))
        lengths = bars.deaths - bars.births
        assert (lengths > 0).all() and (np.diff(lengths) <= 0).all()
        assert (bars.birth_edges[:, 0] < bars.birth_edges[:, 1]).all()


def test_equal_lengths_are_in_order_of_births():
    lower = np.ones((6, 6)) - np.eye(6)
    # Three pairs far from one another: three bars of length 1, and more.
    for i, j, value in ((0, 1, 0.5), (2, 3, 0.25), (4, 5, 0.25)):
        lower[i, j] = lower[j, i] = value
    bars = host.relative_h1(lower, lower + 1 - np.eye(6))
    assert bars.birth_edges[:3].tolist() == [[2, 3], [4, 5], [0, 1]]


def test_few_places_hold_the_longest():
    rng = np.random.default_rng(7)
    lower, upper = batch_of(rng, (), 30)
    bars = host.relative_h1(lower, upper)
    for places in (1, 7, 200):
        entries = host.barcode_entries(lower, upper, None, places)
        used = min(places, len(bars.births))
        assert entries.count == len(bars.births)
        assert_same([x[:used] for x in entries[:3]],
                    [x[:used] for x in bars[2:]])
        assert not any(x[used:].any() for x in entries[:3])


def test_masked_is_compressed():
    rng = np.random.default_rng(8)
    for _ in range(100):
        lower, upper = random_pair(rng)
        mask = rng.random(len(lower)) < 0.7
        points = np.flatnonzero(mask)
        whole = [m[np.ix_(mask, mask)] for m in (lower, upper)]
        expected = host.barcode_entries(*whole, None, 60)
        # What is masked is not looked at.
        for matrix in (lower, upper):
            matrix[~mask] = np.nan
        entries = host.barcode_entries(lower, upper, mask, 60)
        used = min(60, int(entries.count))
        np.testing.assert_array_equal(entries.count, expected.count)
        for edges, small in zip(entries[:2], expected[:2]):
            np.testing.assert_array_equal(edges[:used], points[small[:used]])
        np.testing.assert_array_equal(entries.capped, expected.capped)


@pytest.mark.parametrize('threads', [1, 2, 5])
@pytest.mark.parametrize('n', [9, 40])
def test_batch_is_loop(threads, n):
    rng = np.random.default_rng(9)
    lower, upper = batch_of(rng, (2, 3), n)
    mask = rng.random((3, n)) < 0.8
    entries = host.barcode_entries(lower, upper, mask, 20, threads)
    for i, j in np.ndindex(2, 3):
        assert_same([x[i, j] for x in entries], host.barcode_entries(
            lower[i, j], upper[i, j], mask[j], 20))


def test_leading_dimensions_are_broadcast():
    rng = np.random.default_rng(10)
    lower, upper = batch_of(rng, (3,), 10)
    lower = lower.min(0)
    entries = host.barcode_entries(
        lower[None, None], np.maximum(upper, lower), np.ones((4, 1, 10), bool),
        12)
    assert entries.birth_edges.shape == (4, 3, 12, 2)
    for i, j in np.ndindex(4, 3):
        assert_same([x[i, j] for x in entries], host.barcode_entries(
            lower, np.maximum(upper[j], lower), None, 12))


def test_empty_batch():
    empty = np.zeros((0, 5, 5), np.float32)
    entries = host.barcode_entries(empty, empty, None, 4)
    assert [x.shape for x in entries] == [(0, 4, 2), (0, 4, 2), (0, 4), (0,)]


def test_shared_lower_is_unshared():
    """The four barcodes of RTD, of which two have one lower matrix."""
    rng = np.random.default_rng(11)
    for n in (12, 40):
        x, y = (distances(rng.normal(size=(n, 3))) for _ in range(2))
        low, high = np.minimum(x, y), np.maximum(x, y)
        lower, upper = np.stack([low, low, y, x]), np.stack([x, y, high, high])
        entries = host.barcode_entries(lower, upper, None, 50)
        for item in range(4):
            assert_same([m[item] for m in entries],
                        host.barcode_entries(
                            lower[item], upper[item], None, 50))


def test_deterministic():
    lower, upper = batch_of(np.random.default_rng(12), (4,), 40)
    first = host.barcode_entries(lower, upper, None, 50)
    for _ in range(5):
        assert_same(first,
                    host.barcode_entries(lower, upper, None, 50))


def test_many_callers_at_once():
    rng = np.random.default_rng(13)
    lower, upper = batch_of(rng, (4,), 64)
    expected = host.barcode_entries(lower, upper, None, 50, 1)
    with concurrent.futures.ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(host.barcode_entries, lower, upper,
                                None, 50) for _ in range(64)]
        for call in calls:
            assert_same(expected, call.result(timeout=60))


def test_read_only_and_writable_share_one_compilation():
    lower, upper = batch_of(np.random.default_rng(14), (2,), 10)
    first = host.barcode_entries(lower, upper, None, 10)
    lower.flags.writeable = upper.flags.writeable = False
    assert_same(first, host.barcode_entries(lower, upper, None, 10))
    host.barcode_entries(lower[:, ::-1, ::-1], upper[:, ::-1, ::-1],
                         None, 10)
    assert len(host.warm_up().signatures) == 1


def test_inputs_are_left_as_they_are():
    lower, upper = batch_of(np.random.default_rng(15), (), 20)
    copies = lower.copy(), upper.copy()
    host.relative_h1(lower, upper)
    assert_same(copies, (lower, upper))
    assert lower.flags.writeable and upper.flags.writeable


def _spoilt(n, lower=None, upper=None):
    """Valid matrices but for the given entries {(i, j): value}."""
    pair = [np.ones((n, n)) - np.eye(n), 2 * (np.ones((n, n)) - np.eye(n))]
    for matrix, changes in zip(pair, (lower, upper)):
        for place, value in (changes or {}).items():
            matrix[place] = value
    return [matrix.astype(np.float32) for matrix in pair]


def _both(value, i=1, j=3):
    return {(i, j): value, (j, i): value}


INVALID = {
    'lower must be finite.*nan at .1, 3.': dict(lower=_both(np.nan)),
    'upper must be finite.*inf at .1, 3.': dict(upper=_both(np.inf)),
    'lower must not be negative.*-1.0': dict(lower=_both(-1)),
    'upper must not be negative': dict(lower=_both(-2), upper=_both(-1)),
    'lower must be symmetric.*1.5 against 1.0 at .0, 2.':
        dict(lower={(0, 2): 1.5}),
    'upper must be symmetric': dict(upper={(4, 2): 2.5}),
    'lower must have a zero diagonal.*at .2, 2.':
        dict(lower={(2, 2): 1}, upper={(2, 2): 1}),
    'upper must have a zero diagonal': dict(upper={(4, 4): 1}),
    'lower must not exceed upper.*3.0 against 2.0 at .1, 3.':
        dict(lower=_both(3)),
}


@pytest.mark.parametrize('n', [5, 37])
@pytest.mark.parametrize('message', INVALID)
def test_invalid_values(message, n):
    lower, upper = _spoilt(n, **INVALID[message])
    # The other one is wrong in consequence where an error names `upper`.
    if message.startswith('upper must not be negative'):
        message = 'lower must not be negative'
    with pytest.raises(ValueError, match=message):
        host.relative_h1(lower, upper)

    valid = _spoilt(n)
    stacked = [np.stack(pair) for pair in zip(valid, (lower, upper), valid)]
    entries = host.barcode_entries(*stacked, None, 30)
    assert entries.count[1] == -1 and entries.count[0] == entries.count[2] > 0
    assert not any(x[1].any() for x in entries[:3])


def test_invalid_upper_leaves_the_same_lower_valid():
    lower, upper = _spoilt(9)
    wrong = upper.copy()
    wrong[3, 4] = np.nan
    entries = host.barcode_entries(
        np.stack([lower] * 3), np.stack([wrong, upper, wrong]), None, 30)
    alone = host.barcode_entries(lower, upper, None, 30)
    assert entries.count.tolist() == [-1, alone.count, -1]
    assert_same([x[1] for x in entries], alone)


@pytest.mark.parametrize('lower, upper, message', [
    (np.zeros(3), np.zeros(3), r'lower must have shape \[n, n\].*\(3,\)'),
    (np.zeros((2, 3)), np.zeros((2, 3)), r'received \(2, 3\)'),
    (np.zeros((3, 3)), np.zeros((2, 3, 3)), r'upper must .*\(2, 3, 3\)'),
    (np.zeros((3, 3)), np.zeros((4, 4)), r'\(3, 3\) and \(4, 4\)'),
    (np.zeros((3, 3), complex), np.zeros((3, 3)), 'complex128'),
    (np.zeros((3, 3), bool), np.zeros((3, 3)), 'bool'),
    ([['a']], [['a']], 'lower must hold real numbers'),
])
def test_wrong_shapes_and_types(lower, upper, message):
    with pytest.raises(ValueError, match=message):
        host.relative_h1(lower, upper)


def test_other_real_types():
    lower, upper = _spoilt(6, lower=_both(2))
    expected = host.relative_h1(lower, upper)
    for dtype in (np.float64, np.float16, np.int64, np.uint8):
        assert_same(expected, host.relative_h1(
            lower.astype(dtype), upper.astype(dtype)))
    with pytest.raises(ValueError, match='range of float32'):
        host.relative_h1(lower * np.float64(1e300),
                         upper * np.float64(1e300))


# In place of the one that has all others compiled, which takes half a minute.
_SMALL_KERNEL = """

from topdis_jax.topology.engines.kernels.length import length


def make(source_hash):
    def run(lower, upper, mask, items, n, first, last, effort, stop,
            birth_edges, death_edges, capped, num_bars, values, num_values,
            counts):
        _ = source_hash
        bars = float32_at(values, (items, num_values, 2))
        for item in range(first, last):
            int32_at(counts, items)[item] = 1
            bars[item, 0, 0] = float32_at(lower, (items, n, n))[item, 0, 1]
            bars[item, 0, 1] = bars[item, 0, 0] + length()
        return 1

    return run
"""
_LENGTH = """
from topdis_jax.topology.engines.kernels.decorators import without_counts


@without_counts
def length():
    return {}
"""


@pytest.fixture
def small_engine(tmp_path):
    """The folder `kernels` of a copy of the package, with another engine; and
    a function that calls it: environment -> the finished process."""
    package = pathlib.Path(topdis_jax.__file__).parent
    ignored = shutil.ignore_patterns('__pycache__')
    (tmp_path / 'topdis_jax').mkdir()
    for name in ('__init__.py', 'collectives.py'):
        shutil.copy(package / name, tmp_path / 'topdis_jax')
    folder = tmp_path / 'topdis_jax' / 'topology'
    shutil.copytree(package / 'topology', folder, ignore=ignored)
    (folder / '__init__.py').write_text('')
    kernels = folder / 'engines' / 'kernels'
    with open(kernels / 'engine.py', 'a') as file:
        file.write(_SMALL_KERNEL)
    (kernels / 'length.py').write_text(_LENGTH.format(1))

    def call(**environment):
        env = {**os.environ, 'PYTHONPATH': str(tmp_path),
               'PYTHONDONTWRITEBYTECODE': '1', **environment}
        env.pop('NUMBA_CACHE_DIR', None)
        code = ('import numpy as np; '
                'from topdis_jax.topology import persistence; m = 1 - '
                'np.eye(2); print(persistence.relative_h1(m, 2 * m)[:2])')
        done = subprocess.run([sys.executable, '-c', code], env=env,
                              cwd=tmp_path, capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0, done.stderr
        return done

    return kernels, call


_LITTLE_MEMORY = """
import resource
import numpy as np
from topdis_jax.topology.engines import host
host.warm_up()
zeros = np.zeros((4000, 4000), np.float32)
with open('/proc/self/statm') as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2**26, now + 2**26))
try:
    host.relative_h1(zeros, zeros)
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'),
                    reason='asks Linux how much memory it has')
def test_without_enough_memory():
    done = subprocess.run([sys.executable, '-c', _LITTLE_MEMORY],
                          capture_output=True, text=True, timeout=300)
    assert 'barcodes of 4000 points' in done.stdout, done.stderr


def test_without_a_place_for_compiled_code(small_engine, tmp_path):
    """A folder that holds a file in the place of each cache folder."""
    kernels, call = small_engine
    (kernels / '__pycache__').write_text('')
    (tmp_path / 'file').write_text('')
    nowhere = str(tmp_path / 'file' / 'folder')
    done = call(HOME=nowhere, XDG_CACHE_HOME=nowhere)
    assert '1.' in done.stdout and '2.' in done.stdout
    lines = [line for line in done.stderr.splitlines()
             if not line.startswith('.')]  # signs of life
    assert len(lines) == 2, done.stderr
    assert 'NUMBA_CACHE_DIR' in lines[0]
    assert 'compiling the persistence engine, once' in lines[1]


def test_compiled_code_is_kept_until_any_file_changes(small_engine):
    kernels, call = small_engine
    for length, is_new in ((1, True), (1, False), (25, True)):
        (kernels / 'length.py').write_text(_LENGTH.format(length))
        done = call()
        assert f'{1 + length}.' in done.stdout
        assert ('compiling the persistence engine' in done.stderr) == is_new


@pytest.mark.parametrize('module', [engine, handler])
def test_what_is_kept_depends_on_all_files(module):
    """Numba looks at closure variables; see source_hash."""
    assert [cell.cell_contents for cell in module.make(7).__closure__] == [7]
