"""Published formats: factors and images belong together, faults are told."""

import sys
import types

import h5py
import numpy as np
import pytest

from tests.helpers import published_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.errors import DataError
from topdis_jax.data.published import readers, table


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return cases.shrink(monkeypatch)


def _refused(name, path, match):
    with pytest.raises(DataError, match=match):
        stream = readers.read(table.PUBLISHED[name], str(path))
        for _ in stream.blocks():
            pass


@pytest.mark.parametrize('name', cases.SIZES)
def test_factors_and_images_belong_together(name, tmp_path, small):
    cases.write(name, tmp_path)
    data = sources.load(name, root=str(tmp_path), source='file')
    assert data.images.shape == small[name].shape
    assert data.images.dtype == np.uint8 and data.name == name
    assert data.factor_names == small[name].factor_names
    chosen = np.random.default_rng(0).integers(len(data), size=20)
    np.testing.assert_array_equal(
        cases.factors_in(data.images[chosen], len(data.factor_sizes)),
        data.factors_of(chosen))
    bright = 255 if name == 'dsprites' else 200
    assert data.images[0, 0, 0, 0] == bright


@pytest.mark.parametrize('name', ['mpi3d_toy', 'mpi3d_complex'])
def test_mpi3d_in_the_shape_of_its_grid(name, tmp_path):
    path = tmp_path / table.PUBLISHED[name].file
    images = cases.images_of(name)
    np.savez(path, images=images.reshape(*cases.SIZES[name], 64, 64, 3))
    data = sources.load(name, root=str(path))
    np.testing.assert_array_equal(data.images, images)


def test_faces_as_npz_and_without_the_grids_shape(tmp_path):
    images = cases.images_of('faces3d')
    np.savez(tmp_path / 'basel_face_renders.npz', images=images)
    data = sources.load('faces3d', root=str(tmp_path))
    np.testing.assert_array_equal(data.images[..., 0], images)


class _Tensor:
    def __init__(self, array):
        self._array = array

    def numpy(self):
        return self._array


def test_faces_through_torch(tmp_path, monkeypatch):
    images = cases.images_of('faces3d')
    path = tmp_path / 'basel_face_renders.pth'
    path.write_bytes(b'')
    seen = []

    def load(path, **options):
        seen.append(options)
        return _Tensor(images.reshape(*cases.SIZES['faces3d'], 64, 64))

    monkeypatch.setitem(sys.modules, 'torch',
                        types.SimpleNamespace(load=load))
    data = sources.load('faces3d', root=str(tmp_path))
    np.testing.assert_array_equal(data.images[..., 0], images)
    assert seen == [{'map_location': 'cpu', 'weights_only': True}]
    monkeypatch.setitem(sys.modules, 'torch', types.SimpleNamespace())
    _refused('faces3d', path, 'cannot be read')
    monkeypatch.setitem(sys.modules, 'torch', None)
    _refused('faces3d', path, r'install torch.*basel_face_renders.npy')


def test_real_torch_runs_no_program(tmp_path):
    torch = pytest.importorskip('torch')
    path = tmp_path / 'basel_face_renders.pth'
    torch.save(torch.from_numpy(cases.images_of('faces3d')), path)
    assert len(sources.load('faces3d', root=str(path))) == 48
    torch.save(print, path)
    _refused('faces3d', path, 'cannot be read')


def test_the_pickle_in_dsprites_is_not_read(tmp_path, monkeypatch):
    path = cases.write('dsprites', tmp_path)
    monkeypatch.setattr(np.lib.format, 'read_array', None)
    monkeypatch.setattr('pickle.load', None)
    assert len(sources.load('dsprites', root=str(path))) == 96


def test_dsprites_in_another_order(tmp_path):
    path, images = tmp_path / 'd.npz', cases.images_of('dsprites')
    classes = np.zeros((96, 6), int)
    cases.write_dsprites(path, latents_classes=classes)
    _refused('dsprites', path, 'not those of a full grid.*3, 2, 4, 2, 2')
    cases.write_dsprites(path, latents_classes=classes[:5])
    _refused('dsprites', path, 'not those of a full grid')
    cases.write_dsprites(path, imgs=images * 255)
    _refused('dsprites', path, 'must be 0 and 1, received 255')


def test_shapes3d_in_another_order(tmp_path):
    path = tmp_path / '3dshapes.h5'
    cases.write_shapes3d(path, labels=np.zeros((192, 6)))
    _refused('shapes3d', path, 'not those of a full grid')


@pytest.mark.parametrize('keep', [0, 0.4, 0.95])
def test_shapes3d_cut_short(tmp_path, keep):
    path = cases.write('shapes3d', tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:int(keep * len(content))])
    _refused('shapes3d', path, 'cut short.*get it again')


@pytest.mark.parametrize('key', ['images', 'labels'])
def test_shapes3d_without_an_array(tmp_path, key):
    path = cases.write('shapes3d', tmp_path)
    with h5py.File(path, 'a') as file:
        del file[key]
    _refused('shapes3d', path, f"no array '{key}'; it has")


@pytest.mark.parametrize('name,key', [('dsprites', 'imgs'),
                                      ('mpi3d_real', 'images')])
def test_missing_keys(tmp_path, name, key):
    np.savez(tmp_path / 'd.npz', data=np.zeros(3))
    _refused(name, tmp_path / 'd.npz', f"no array '{key}'; it has data")


@pytest.mark.parametrize('change,received', [
    (lambda x: x[:-1], r'\[95, 64, 64, 3\] uint8'),
    (lambda x: x[:, :32], r'\[96, 32, 64, 3\] uint8'),
    (lambda x: x[..., 0], r'\[96, 64, 64\] uint8'),
    (lambda x: x / np.float32(255), r'\[96, 64, 64, 3\] float32'),
    (lambda x: x.astype(np.int64), r'\[96, 64, 64, 3\] int64')],
    ids=['count', 'size', 'gray', 'float', 'int'])
def test_wrong_images(tmp_path, change, received):
    path = tmp_path / 'd.npz'
    np.savez(path, images=change(cases.images_of('mpi3d_toy')))
    _refused('mpi3d_toy', path,
             r'must be \[96, 64, 64, 3\] uint8.*object_color.*3, 2, 2, 1, 2, '
             rf'2, 2.*received {received}.*mpi3d_toy.npz')


def test_rows_of_hdf5_chunks():
    def rows(shape, chunk):
        return readers._chunk_rows(types.SimpleNamespace(
            shape=shape, chunks=(chunk, 4, 4, 1)))

    image = (64, 64, 3)
    assert rows((480_000, *image), 100) == 2700  # of 2730 in 32 MiB
    assert rows((480_000, *image), 30_000) == 30_000
    assert rows((480_000, *image), 100_000) == 2 ** 29 // (64 * 64 * 3)


def _own(path, **arrays):
    np.savez(path, **arrays)
    return sources.load('own', root=str(path))


def test_own_npz(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 9), np.uint8)
    data = _own(tmp_path / 'a.npz', images=images, factor_sizes=[2, 3],
                factor_names=['left', 'right'])
    np.testing.assert_array_equal(data.images[..., 0], images)
    assert data.factor_sizes == (2, 3)
    assert data.factor_names == ('left', 'right')
    color = np.stack([images] * 3, axis=-1)
    data = _own(tmp_path / 'b.npz', images=color, factor_sizes=np.array([6]))
    assert data.image_shape == (8, 9, 3) and data.factor_names == ('factor_0',)
    data = _own(tmp_path / 'c.npz', images=color)
    assert data.factor_sizes == ()
    # They do not share a place in the cache.
    assert _own(tmp_path / 'a.npz', images=images).image_shape == (8, 9, 1)


@pytest.mark.parametrize('change,match', [
    ({'images': np.zeros((6, 8, 8))}, r'\[n, h, w\].*\[6, 8, 8\] float64'),
    ({'images': np.zeros((6, 64), np.uint8)}, r'received \[6, 64\] uint8'),
    ({'images': np.zeros((6, 8, 8, 2), np.uint8)}, 'c 1 or 3.*8, 8, 2'),
    ({'images': np.zeros((0, 8, 8), np.uint8)}, r'received \[0, 8, 8\]'),
    ({'factor_sizes': [2, 2]}, r'has 6 images.*\(2, 2\), which make 4.*last'),
    ({'factor_sizes': [2.0, 3.0]}, r'integers.*\[2.0, 3.0\] \(float64\)'),
    ({'factor_sizes': [[6]]}, 'must be .k. integers'),
    ({'factor_sizes': [-2, -3]}, 'from 1'),
    ({'factor_names': ['a']}, '2 strings.*1'),
    ({'factor_names': [1, 2]}, '2 strings.*int64'),
    ({'factor_names': np.array(['a', 'b'], object)}, 'Python objects'),
])
def test_own_npz_with_faults(tmp_path, change, match):
    good = {'images': np.zeros((6, 8, 8), np.uint8), 'factor_sizes': [2, 3]}
    with pytest.raises(DataError, match=match):
        _own(tmp_path / 'a.npz', **(good | change))


def test_own_names_without_sizes_and_nothing_there(tmp_path):
    with pytest.raises(DataError, match='no factor_sizes'):
        _own(tmp_path / 'a.npz', images=np.zeros((6, 8, 8), np.uint8),
             factor_names=['a'])
    for root in (None, '', str(tmp_path / 'none')):
        with pytest.raises(DataError, match='config.data.root=PATH.*factor_si'):
            sources.load('own', root=root)
