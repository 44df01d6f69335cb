"""Small files in the formats of Cars3D, SmallNORB, Isaac3D and Falcor3D.

All pixels of an image have the value that `brightness` says.
"""

import gzip
import io
import itertools
import math
import tarfile
import zipfile

import numpy as np
from PIL import Image
from scipy import io as scipy_io

from tests.helpers import published_cases as cases
from topdis_jax.data.published import table

FOLDERS = {'isaac3d': 'Isaac3D_down128', 'falcor3d': 'Falcor3D_down128'}


def shrink(monkeypatch):
    """Makes the published grids small, of files without checksums."""
    small = cases.shrink(monkeypatch)
    monkeypatch.setattr(table, 'PUBLISHED', {
        name: data._replace(sha256='', more_files=tuple(
            (file, '') for file, _ in data.more_files))
        for name, data in small.items()})


def brightness(name):
    """The value of every pixel of each image, in the order of the grid."""
    return 3 * np.arange(math.prod(cases.ARCHIVES[name])) + 5


def contents(name):
    """The files of a data set: {name: bytes}."""
    if name == 'smallnorb':
        return smallnorb()
    make = {'cars3d': cars3d}.get(name, lambda: high_resolution(name))
    return {table.PUBLISHED[name].file: make()}


def cars3d(cars=None):
    """A .tar.gz with other folders beside, the cars in another order."""
    count, azimuths, elevations = cases.ARCHIVES['cars3d']
    values = brightness('cars3d').reshape(count, azimuths, elevations)
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode='w:gz') as archive:
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
    return result.getvalue()


def matrix(array):
    """An array as a .mat.gz of SmallNORB."""
    magic = 0x1E3D4C55 if array.dtype == np.uint8 else 0x1E3D4C54
    sizes = [*array.shape, 1, 1][:max(3, array.ndim)]
    return gzip.compress(np.array([magic, array.ndim, *sizes], '<i4').tobytes()
                         + array.tobytes())


def smallnorb(seed=0):
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
        images[:, 0] = brightness('smallnorb')[rows, None, None]
        columns = factors[rows][:, 1:] * np.int32([1, 1, 2, 1])
        found |= {dat: matrix(images), cat: matrix(factors[rows, 0].copy()),
                  info: matrix(columns)}
    return found


def high_resolution(name):
    """A .zip of pictures, in another order, with other files beside."""
    result, folder = io.BytesIO(), FOLDERS[name]
    with zipfile.ZipFile(result, 'w') as archive:
        archive.writestr(f'{folder}/labels.npy', b'no matter')
        for i, value in reversed(list(enumerate(brightness(name)))):
            buffer = io.BytesIO()
            Image.new('RGB', (128, 128), (int(value),) * 3).save(buffer, 'PNG')
            archive.writestr(f'{folder}/images/{i:06}.png', buffer.getvalue())
    return result.getvalue()
