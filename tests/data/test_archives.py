"""Cars3D, SmallNORB, Isaac3D and Falcor3D: small files of the same formats."""

import gzip
import math
import zipfile

import numpy as np
import pytest

from tests.helpers import archive_cases as archives
from tests.helpers import file_server
from topdis_jax.data import sources
from topdis_jax.data.published import downloads, table


@pytest.fixture(autouse=True)
def small_grids(monkeypatch, no_data):
    archives.shrink(monkeypatch)


def _write(folder, name):
    for file, content in archives.contents(name).items():
        (folder / file).write_bytes(content)


def _check(name):
    dataset = sources.load(name)
    record = table.PUBLISHED[name]
    assert dataset.images.shape == record.shape
    assert dataset.factor_names == record.factor_names
    np.testing.assert_array_equal(
        np.asarray(dataset.images).reshape(len(dataset), -1),
        archives.brightness(name)[:, None]
        + np.zeros(math.prod(record.image_shape)))
    return dataset


def test_cars3d(tmp_path):
    _write(tmp_path, 'cars3d')
    assert _check('cars3d').image_shape == (64, 64, 3)


def test_cars_that_are_missing(tmp_path):
    (tmp_path / 'nips2015-analogy-data.tar.gz').write_bytes(
        archives.cars3d(cars=[0, 2]))
    with pytest.raises(sources.DataError, match='has 2 cars .* expected 3'):
        sources.load('cars3d')


def test_an_archive_that_is_cut(tmp_path):
    path = tmp_path / 'nips2015-analogy-data.tar.gz'
    path.write_bytes(archives.cars3d()[:-40])
    with pytest.raises(sources.DataError, match='cannot be read'):
        sources.load('cars3d')


def test_smallnorb(tmp_path):
    _write(tmp_path, 'smallnorb')
    assert _check('smallnorb').image_shape == (64, 64, 1)


def test_smallnorb_is_fetched_file_by_file(tmp_path, monkeypatch):
    with file_server.serving(**archives.smallnorb()) as server:
        monkeypatch.setenv(downloads.MIRROR, server.url)
        _check('smallnorb')
    assert len({path for path, _ in server.requests}) == 6
    assert len(server.requests) == 6


def test_smallnorb_with_one_file_missing(tmp_path):
    contents = archives.smallnorb()
    for name, content in list(contents.items())[:-1]:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(sources.DataError, match='not on this machine'):
        sources.load('smallnorb')


def test_what_is_no_matrix_or_no_grid(tmp_path):
    contents = archives.smallnorb()
    info = next(name for name in contents if 'training-info' in name)
    for content, message in ((gzip.compress(bytes(100)), 'no matrix file'),
                             (archives.matrix(np.zeros((24, 4), np.int32)),
                              'not those of a full grid')):
        for name, other in (contents | {info: content}).items():
            (tmp_path / name).write_bytes(other)
        with pytest.raises(sources.DataError, match=message):
            sources.load('smallnorb')


@pytest.mark.parametrize('name', archives.FOLDERS)
@pytest.mark.parametrize('unpacked', [False, True])
def test_high_resolution_sets(tmp_path, name, unpacked):
    _write(tmp_path, name)
    path = tmp_path / f'{archives.FOLDERS[name]}.zip'
    if unpacked:
        zipfile.ZipFile(path).extractall(tmp_path)
        path.unlink()
    assert _check(name).image_shape == (128, 128, 3)


@pytest.mark.parametrize('name,count', [
    ('cars3d', 17_568), ('smallnorb', 48_600), ('isaac3d', 737_280),
    ('falcor3d', 233_280)])
def test_the_published_numbers_of_images(monkeypatch, name, count):
    monkeypatch.undo()
    assert table.PUBLISHED[name].shape[0] == count
