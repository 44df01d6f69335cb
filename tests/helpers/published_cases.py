"""Small files in the published formats, images marked by their factors."""

import io
import math
import zipfile

import h5py
import numpy as np
from PIL import Image

from topdis_jax.data.published import table

# Sizes of the small grids, and the keys of the files.
SIZES = {
    'dsprites': (3, 2, 4, 2, 2), 'shapes3d': (2, 3, 2, 2, 4, 2),
    'mpi3d_toy': (3, 2, 2, 1, 2, 2, 2), 'mpi3d_realistic': (2,) * 7,
    'mpi3d_real': (2, 3, 2, 2, 1, 2, 2),
    'mpi3d_complex': (4, 2, 2, 2, 2, 2, 3),
    'faces3d': (3, 2, 4, 2)}
# Those of formats of their own, which test_archives writes.
ARCHIVES = {
    'cars3d': (3, 4, 2), 'smallnorb': (2, 2, 3, 2, 2),
    'isaac3d': (1, 2, 1, 1, 2, 1, 1, 1, 2),
    'falcor3d': (2, 1, 1, 2, 1, 1, 2)}
CELEBA_IMAGES = 6


def shrink(monkeypatch):
    """Makes the published grids small."""
    small = {name: data._replace(
        factor_sizes=(SIZES | ARCHIVES).get(name, ()),
        num_images=CELEBA_IMAGES if name == 'celeba' else 0)
        for name, data in table.PUBLISHED.items()}
    monkeypatch.setattr(table, 'PUBLISHED', small)
    return small


def images_of(name):
    """Images [N, 64, 64(, 3)] in the grid's order, as the file has them.

    Row 2 i of an image has as many bright pixels as factor i says, plus one.
    """
    sizes = SIZES[name]
    factors = np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), 1)
    bright = 1 if name == 'dsprites' else 200
    images = np.zeros((len(factors), 64, 64), np.uint8)
    for i in range(len(sizes)):
        images[:, 2 * i] = bright * (np.arange(64) <= factors[:, i:i + 1])
    if name in ('dsprites', 'faces3d'):
        return images
    return np.stack([images, images // 2, images // 4], axis=-1)


def factors_in(images, count):
    """The factors that the images [n, h, w, c] are marked with."""
    return (images[:, :2 * count:2, :, 0] > 0).sum(-1) - 1


def write(name, folder):
    """Writes the published file of a data set; returns its path."""
    path = folder / table.PUBLISHED[name].file
    if name == 'dsprites':
        write_dsprites(path)
    elif name == 'shapes3d':
        write_shapes3d(path)
    elif name == 'celeba':
        write_celeba(path)
    elif name == 'faces3d':
        path = folder / 'basel_face_renders.npy'
        np.save(path, images_of(name).reshape(*SIZES[name], 64, 64))
    else:
        np.savez_compressed(path, images=images_of(name))
    return path


def write_dsprites(path, **changes):
    """The six arrays of the published .npz; the first one is a pickle."""
    sizes = SIZES['dsprites']
    classes = np.stack(np.unravel_index(
        np.arange(math.prod(sizes)), (1, *sizes)), axis=1)
    arrays = dict(
        metadata=np.array({'author': 'lmatthey@google.com'}, dtype=object),
        imgs=images_of('dsprites'), latents_classes=classes,
        latents_values=classes / 7)
    np.savez_compressed(path, **(arrays | changes))


def write_shapes3d(path, images=None, labels=None):
    """images [N, 64, 64, 3] uint8 in gzipped chunks, labels float64."""
    sizes = SIZES['shapes3d']
    if images is None:
        images = images_of('shapes3d')
    if labels is None:
        labels = np.stack(np.unravel_index(
            np.arange(math.prod(sizes)), sizes), axis=1) / 7 - 0.3
    with h5py.File(path, 'w') as file:
        file.create_dataset('images', data=images, chunks=(50, 4, 4, 1),
                            compression='gzip')
        file.create_dataset('labels', data=labels)


def jpeg(gray, size=(178, 218), kind='JPEG'):
    """A plain picture as the bytes of a file."""
    buffer = io.BytesIO()
    Image.new('RGB', size, (gray,) * 3).save(buffer, kind)
    return buffer.getvalue()


def write_celeba(path, count=CELEBA_IMAGES, **others):
    """The published archive; picture i is of brightness 10 i + 5."""
    with zipfile.ZipFile(path, 'w') as archive:
        for i in reversed(range(count)):
            archive.writestr(f'img_align_celeba/{i + 1:06}.jpg',
                             jpeg(10 * i + 5))
        archive.writestr('__MACOSX/img_align_celeba/._000001.jpg', b'x')
        for name, content in others.items():
            archive.writestr(f'img_align_celeba/{name}.jpg', content)
