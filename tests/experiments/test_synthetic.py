"""Clusters and rings, against what the published notebooks print."""

import numpy as np
import pytest

from experiments import synthetic
from tests.helpers import commands


@pytest.fixture(scope='module')
def clusters():
    return synthetic.measure(*synthetic.clusters(synthetic.PUBLISHED_SEED))


@pytest.fixture(scope='module')
def rings():
    return synthetic.measure(*synthetic.rings())


@pytest.mark.parametrize('name,tau', [
    ('RTD', 1), ('SRTD', 1), ('Max-RTD-Lite', 1), ('SRTD-Lite', 1),
    ('RTD-Lite', -1)])  # the sign is the published one
def test_tau_of_clusters(clusters, name, tau):
    assert synthetic.tau(name, clusters[name]) == pytest.approx(tau)


def test_tau_of_rings(rings):
    for name in ('RTD', 'SRTD', 'RTD-Lite'):
        assert rings[name][0] == 0  # five rings and themselves
        assert synthetic.tau(name, rings[name]) == pytest.approx(0.8)


def test_a_similarity_falls():
    assert synthetic.tau('NTS-E', [3, 2, 1]) == 1
    assert synthetic.tau('RTD', [3, 2, 1]) == -1


def test_clusters_are_one_cloud_moved():
    base, moved = synthetic.clusters(0)
    assert base.shape == (300, 2) and list(moved) == list(synthetic.CLUSTERS)
    shifts = np.round(moved[4] - base, 6)
    assert len(np.unique(shifts, axis=0)) == 4
    np.testing.assert_allclose(np.linalg.norm(shifts, axis=1), 10)
    np.testing.assert_array_equal(shifts[:5], np.tile([10.0, 0], (5, 1)))


def test_rings_have_so_many_radii():
    base, clouds = synthetic.rings()
    np.testing.assert_array_equal(base, clouds[5])
    for k, cloud in clouds.items():
        radii = np.round(np.linalg.norm(cloud, axis=1), 6)
        assert len(np.unique(radii)) == k


def test_the_command(tmp_path):
    done = commands.run('experiments.synthetic', f'--workdir={tmp_path}',
                        '--seeds=1')
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('| RTD |') == 2
    assert {path.name for path in tmp_path.iterdir()} == {
        'synthetic.json', 'synthetic.png'}
