"""TFDS's builders of MPI3D and 3D Faces, on small files, without network."""

import os
import socket
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.helpers import published_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.errors import DataError
from topdis_jax.data.published import table, tfds_prepare

MPI3D = ['mpi3d_toy', 'mpi3d_realistic', 'mpi3d_real', 'mpi3d_complex']


@pytest.fixture(autouse=True)
def small(monkeypatch, no_data):
    cases.shrink(monkeypatch)


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A folder in which the files of addresses lie; what was asked of it."""
    asked = []

    def download(self, address):
        asked.append(address)
        (name,) = [name for name, data in table.PUBLISHED.items()
                   if data.url == address]
        return cases.write(name, tmp_path)

    monkeypatch.setattr(tfds_prepare, '_reachable', lambda host: True)
    monkeypatch.setattr(tfds_prepare.importlib.util, 'find_spec',
                        lambda name: 1)
    monkeypatch.setattr(tfds.download.DownloadManager, 'download', download)
    return asked


def _check(name, data):
    """Random images are those of their factors."""
    rows = np.random.default_rng(0).permutation(len(data))[:30]
    factors = data.factors_of(rows)
    np.testing.assert_array_equal(
        cases.factors_in(data.images[rows], len(data.factor_sizes)), factors)
    np.testing.assert_array_equal(
        data.images.reshape(cases.images_of(name).shape),
        cases.images_of(name))


@pytest.mark.parametrize('name', MPI3D)
def test_mpi3d_is_downloaded_once_and_read(tmp_path, web, name):
    _check(name, sources.load(name, source='tfds'))
    version = tmp_path / 'tfds' / 'mpi3d' / name[6:] / '1.0.0'
    assert any('array_record' in file for file in os.listdir(version))
    (tmp_path / table.PUBLISHED[name].file).unlink()
    _check(name, sources.load(name))
    assert web == [table.PUBLISHED[name].url]
    assert 'tensorflow' not in sys.modules


def test_a_copy_of_another_variant_is_not_taken(web):
    sources.load('mpi3d_toy', source='tfds')
    with pytest.raises(DataError, match='mpi3d_real is not on this machine'):
        sources.load('mpi3d_real')


def test_faces3d_from_tfds_folder_of_files(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, 'create_connection', None)
    with pytest.raises(DataError, match='cannot here without basel_face.*pth '
                                        'in .*new/downloads/manual.*license'):
        sources.load('faces3d', source='tfds', root=str(tmp_path / 'new'))
    manual = tmp_path / 'new' / 'downloads' / 'manual'
    manual.mkdir(parents=True)
    cases.write('faces3d', manual)
    _check('faces3d', sources.load('faces3d', source='tfds',
                                   root=str(tmp_path / 'new')))


def test_a_file_in_another_format_is_told(tmp_path, web, monkeypatch):
    monkeypatch.setattr(cases, 'images_of', lambda name: np.zeros(
        (5, 64, 64, 3), np.uint8))
    with pytest.raises(DataError, match=r'must be \[96, 64, 64, 3\] uint8'):
        sources.load('mpi3d_toy', source='tfds')


def test_a_failed_download_is_told(web, monkeypatch):
    def fail(self, address):
        raise tfds.download.DownloadError('HTTP code: 404')

    monkeypatch.setattr(tfds.download.DownloadManager, 'download', fail)
    with pytest.raises(DataError, match='cannot download mpi3d_real.*404'):
        sources.load('mpi3d_real', source='tfds')
