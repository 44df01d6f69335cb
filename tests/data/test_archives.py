"""Cars3D, SmallNORB, Isaac3D and Falcor3D: small files of the same formats."""

import gzip
import io
import itertools
import math
import tarfile
import zipfile

import numpy as np
from PIL import Image
import pytest
from scipy import io as scipy_io

from tests.helpers import file_server
from tests.helpers import published_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.published import downloads, table


@pytest.fixture(autouse=True)
def small_grids(monkeypatch, no_data):
    small = cases.shrink(monkeypatch)
    monkeypatch.setattr(table, 'PUBLISHED', {
        name: data._replace(sha256='', more_files=tuple(
            (file, '') for file, _ in data.more_files))
        for name, data in small.items()})


def _brightness(name):
    """The value of every pixel of each image, in the order of the grid."""
    return 3 * np.arange(math.prod(cases.ARCHIVES[name])) + 5


def _check(name):
    dataset = sources.load(name)
    record = table.PUBLISHED[name]
    assert dataset.images.shape == record.shape
    assert dataset.factor_names == record.factor_names
    np.testing.assert_array_equal(
        np.asarray(dataset.images).reshape(len(dataset), -1),
        _brightness(name)[:, None] + np.zeros(math.prod(record.image_shape)))
    return dataset


def _cars3d(path, cars=None):
    """A .tar.gz with other folders beside, the cars in another order."""
    count, azimuths, elevations = cases.ARCHIVES['cars3d']
    values = _brightness('cars3d').reshape(count, azimuths, elevations)
    with tarfile.open(path, 'w:gz') as archive:
        def add(name, content):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))

        add('data/sprites/one.mat', b'no matter')
        for car in (range(count) if cars is None else cars)[::-1]:
            buffer = io.BytesIO()
            images = np.broadcast_to(
                values[car], (128, 128, 3, azimuths, elevations))
            scipy_io.savemat(buffer, {'im': images.astype(np.uint8)})
            add(f'data/cars/car_{car:03}_mesh.mat', buffer.getvalue())
        add('data/cars/list.txt', b'car_000_mesh')


def test_cars3d(tmp_path):
    _cars3d(tmp_path / 'nips2015-analogy-data.tar.gz')
    assert _check('cars3d').image_shape == (64, 64, 3)


def test_cars_that_are_missing(tmp_path):
    _cars3d(tmp_path / 'nips2015-analogy-data.tar.gz', cars=[0, 2])
    with pytest.raises(sources.DataError, match='has 2 cars .* expected 3'):
        sources.load('cars3d')


def test_an_archive_that_is_cut(tmp_path):
    path = tmp_path / 'nips2015-analogy-data.tar.gz'
    _cars3d(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(sources.DataError, match='cannot be read'):
        sources.load('cars3d')


def _matrix(array):
    magic = 0x1E3D4C55 if array.dtype == np.uint8 else 0x1E3D4C54
    sizes = [*array.shape, 1, 1][:max(3, array.ndim)]
    return gzip.compress(np.array([magic, array.ndim, *sizes], '<i4').tobytes()
                         + array.tobytes())


def _smallnorb(seed=0, **changes):
    """The six files: {name: bytes}; training and test images by instance, in
    random order, and a right image that is another one."""
    sizes = cases.ARCHIVES['smallnorb']
    factors = np.array(list(itertools.product(*map(range, sizes))), np.int32)
    order = np.random.default_rng(seed).permutation(len(factors))
    record, found = table.PUBLISHED['smallnorb'], {}
    names = [record.file, *(name for name, _ in record.more_files)]
    for instance, (dat, cat, info) in enumerate((names[:3], names[3:])):
        rows = order[factors[order, 1] == instance]
        images = np.zeros((len(rows), 2, 96, 96), np.uint8)
        images[:, 0] = _brightness('smallnorb')[rows, None, None]
        columns = factors[rows][:, 1:] * np.int32([1, 1, 2, 1])
        found |= {dat: _matrix(images), cat: _matrix(factors[rows, 0].copy()),
                  info: _matrix(columns)}
    return found | changes


def test_smallnorb(tmp_path):
    for name, content in _smallnorb().items():
        (tmp_path / name).write_bytes(content)
    assert _check('smallnorb').image_shape == (64, 64, 1)


def test_smallnorb_is_fetched_file_by_file(tmp_path, monkeypatch):
    with file_server.serving(**_smallnorb()) as server:
        monkeypatch.setenv(downloads.MIRROR, server.url)
        _check('smallnorb')
    assert len({path for path, _ in server.requests}) == 6
    assert len(server.requests) == 6


def test_smallnorb_with_one_file_missing(tmp_path):
    contents = _smallnorb()
    for name, content in list(contents.items())[:-1]:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(sources.DataError, match='not on this machine'):
        sources.load('smallnorb')


def test_what_is_no_matrix_or_no_grid(tmp_path):
    contents = _smallnorb()
    info = next(name for name in contents if 'training-info' in name)
    for content, message in ((gzip.compress(bytes(100)), 'no matrix file'),
                             (_matrix(np.zeros((24, 4), np.int32)),
                              'not those of a full grid')):
        for name, other in (contents | {info: content}).items():
            (tmp_path / name).write_bytes(other)
        with pytest.raises(sources.DataError, match=message):
            sources.load('smallnorb')


@pytest.mark.parametrize('name,folder', [('isaac3d', 'Isaac3D_down128'),
                                         ('falcor3d', 'Falcor3D_down128')])
@pytest.mark.parametrize('unpacked', [False, True])
def test_high_resolution_sets(tmp_path, name, folder, unpacked):
    path = tmp_path / f'{folder}.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(f'{folder}/labels.npy', b'no matter')
        for i, value in reversed(list(enumerate(_brightness(name)))):
            buffer = io.BytesIO()
            Image.new('RGB', (128, 128), (int(value),) * 3).save(buffer, 'PNG')
            archive.writestr(f'{folder}/images/{i:06}.png', buffer.getvalue())
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
