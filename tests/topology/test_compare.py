"""Divergences of point clouds: subsets, repeats, messages."""

import os

import numpy as np
import pytest

from tests.helpers import commands
from topdis_jax import topology
from topdis_jax.losses import divergences
from topdis_jax.topology.comparison import NAMES


def _clouds(n=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2, 3))
    return x, x.reshape(n, 6)[:, :2] + 0.1 * rng.normal(size=(n, 2))


def test_all_rows_are_the_divergence_itself():
    x, y = _clouds()
    dist = [topology.scale_by_quantile(topology.pairwise_distances(
        np.asarray(c, np.float32))) for c in (x, y)]
    for subset in (None, 60, 99):
        found = topology.compare(x, y, subset=subset)
        assert found.values.shape == (1,) and found.std == 0
        np.testing.assert_allclose(found.mean, topology.rtd(
            *dist, forms='min', num_bars=None), rtol=1e-6)
    same = topology.compare(x, y, divergence=lambda x, y: x.sum() - y.sum())
    np.testing.assert_allclose(same.mean, dist[0].sum() - dist[1].sum(),
                               rtol=1e-5)


def test_it_knows_the_names_that_the_loss_knows():
    assert set(divergences.BY_NAME) < set(NAMES)


@pytest.mark.parametrize('divergence', NAMES)
def test_subsets(divergence):
    x, y = _clouds()
    y = np.pad(y, ((0, 0), (0, 4))) if divergence == 'mtop_div' else y
    options = dict(divergence=divergence, subset=20, repeats=3)
    first = topology.compare(x, y, **options)
    assert first.values.shape == (3,) and first.std > 0
    np.testing.assert_allclose(first.mean, np.mean(first.values))
    again = topology.compare(x, y, **options, progress=list)
    np.testing.assert_array_equal(first.values, again.values)
    other = topology.compare(x, y, **options, seed=1)
    assert np.all(first.values != other.values)
    # On itself: no divergence, or a correlation of 1.
    if divergence != 'mtop_div':
        itself = topology.compare(x, x, **options)
        np.testing.assert_allclose(itself.values, divergence == 'nts',
                                   atol=1e-6)


@pytest.mark.parametrize('divergence', ['rtd', 'mtop_div'])
def test_where_a_cloud_lies_does_not_matter(divergence):
    x = np.random.default_rng(0).normal(size=(40, 3))
    y = x + 0.3 * np.random.default_rng(1).normal(size=(40, 3))
    expected = topology.compare(x, y, divergence=divergence).mean
    for offset in (1e3, 1e8):
        np.testing.assert_allclose(topology.compare(
            x + offset, y + offset, divergence=divergence).mean, expected,
            rtol=1e-4)
    with pytest.raises(ValueError, match='x in float32 must be finite'):
        topology.compare(1e39 * x, y)


def test_clouds_of_other_numbers_of_points():
    x, y = _clouds()
    found = topology.compare(x.reshape(60, 6), np.pad(y[:30], ((0, 0), (0, 4))),
                             divergence='mtop_div', subset=25, repeats=2)
    assert np.all(found.values > 0)


@pytest.mark.parametrize('change,message', [
    (dict(y=np.ones((5, 2))), 'same rows, received 60 and 5'),
    (dict(x=np.ones(60)), r'shape \[n, ...\]'),
    (dict(x=np.full((60, 2), np.nan)), r'x must be finite.*nan at \[0, 0\]'),
    (dict(x=np.full((60, 2), 'a')), 'real numbers'),
    (dict(divergence='rtx'), "received 'rtx'"),
    (dict(divergence='mtop_div'), 'one dimension, received 6 and 2'),
    (dict(subset=1), 'subset must be a whole number of at least 2'),
    (dict(repeats=0), 'repeats must be'),
])
def test_messages(change, message):
    x, y = _clouds()
    with pytest.raises(ValueError, match=message):
        topology.compare(**{'x': x, 'y': y, **change})


def _run(*arguments, cwd):
    return commands.run('experiments.compare', *arguments, cwd=cwd)


def test_the_command(tmp_path):
    x, y = _clouds()
    for name, cloud in (('first', x), ('second', y), ('third', y[:, :1])):
        np.save(tmp_path / f'{name}.npy', cloud)
    files = 'first.npy', 'second.npy', 'third.npy'
    done = _run(*files, '--subset=20', '--repeats=2',
                '--barcodes=bars.png', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        ['first', 'second'], ['first', 'third'], ['second', 'third']]
    expected = topology.compare(x, y, subset=20, repeats=2)
    assert float(rows[0][2]) == pytest.approx(expected.mean, abs=1e-4)
    assert float(rows[0][4]) == pytest.approx(expected.std, abs=1e-4)
    assert str(tmp_path / 'divergences.png') in done.stderr
    for name in ('divergences.png', 'bars.png'):
        assert (tmp_path / name).stat().st_size > 5000
    (tmp_path / 'broken.npy').write_text('no')
    (tmp_path / 'zip.npy').write_bytes(b'PK\x03\x04')
    np.savez(tmp_path / 'several.npz', images=x, factors=y)
    for names, message in ((files[:1], 'at least two'),
                           (('first.npy', 'absent.npy'), 'No such file'),
                           (('first.npy', 'broken.npy'), 'not a .npy file'),
                           (('first.npy', 'zip.npy'), 'not a .npy file'),
                           ((*files, '--picture=first.npy/x.png'),
                            'cannot be written'),
                           (('first.npy', 'several.npz'), 'images, factors'),
                           ((*files, '--divergance=rtd'),
                            'Did you mean: divergence')):
        done = _run(*names, cwd=tmp_path)
        assert done.returncode == 1 and message in done.stdout + done.stderr
        assert 'Traceback' not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_files_that_are_compared_once(tmp_path):
    x, y = _clouds()
    for name, cloud in (('first', x), ('second', y)):
        np.save(tmp_path / f'{name}.npy', cloud)
    done = _run('first.npy', 'second.npy', '--picture=', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    value = topology.compare(x, y).mean
    assert done.stdout.split(maxsplit=2)[2].strip() == (
        f'{value:.4f} (all rows, once)')
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize('divergence', ['rtd', 'srtd'])
def test_more_clusters_are_further_from_one(divergence):
    """Barannikov et al. 2022, `clusters`: 300 points in one cloud, the same
    in 2 to 12 clusters; the divergence grows with their number."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=(300, 2))
    values = []
    for count in (2, 3, 4, 5, 6, 10, 12):
        angle = 2 * np.pi * (np.arange(300) % count) / count
        moved = one + 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        values.append(topology.compare(one, moved, divergence=divergence,
                                       subset=None).mean)
    assert values == sorted(values)  # Kendall's tau is 1
