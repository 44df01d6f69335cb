"""Readers of Cars3D and SmallNORB, whose files have formats of their own."""

from collections.abc import Callable, Iterator
import gzip
import os
import tarfile

import numpy as np

from topdis_jax.data.errors import DataError, reading_errors
from topdis_jax.data.published.table import PublishedDataset

_Blocks = Callable[[], Iterator[np.ndarray]]

# NYU's matrix files: the first number says the type of the entries.
_TYPES = {0x1E3D4C55: np.uint8, 0x1E3D4C54: np.int32}


def cars3d(published: PublishedDataset, path: str) -> _Blocks:
    """Reads the .tar.gz of Reed et al., Deep Visual Analogy-Making, 2015.

    Each car is a file of MATLAB, whose `im` is [128, 128, 3, azimuths,
    elevations]. Cars are in the order of their names, and images are resized
    to the published shape, as in disentanglement_lib (there in the order of
    the folder, and with an approximate filter).
    """
    _, azimuths, elevations = published.factor_sizes

    def blocks() -> Iterator[np.ndarray]:
        cars = {}
        with reading_errors(path), tarfile.open(path, 'r:gz') as archive:
            for member in archive:  # in order: a .gz has no other way
                if _is_car(member):
                    cars[os.path.basename(member.name)] = _car(
                        path, archive.extractfile(member), published)
        if len(cars) != published.factor_sizes[0]:
            raise DataError(
                f'{path} has {len(cars)} cars of {azimuths} x {elevations} '
                f'images, expected {published.factor_sizes[0]}')
        for name in sorted(cars):
            yield cars[name]

    return blocks


def _is_car(member):
    parts = member.name.split('/')
    return (member.isfile() and parts[-1].endswith('.mat')
            and 'cars' in parts[:-1])


def _car(path, file, published):
    """The images [azimuths * elevations, h, w, 3] of a car."""
    from scipy import io  # comes with scikit-learn
    images = io.loadmat(file)['im']
    if images.ndim != 5 or images.shape[2:] != (
            3, *published.factor_sizes[1:]) or images.dtype != np.uint8:
        raise DataError(
            f'a car of {path} has images {list(images.shape)} {images.dtype}, '
            f'expected [h, w, 3, {published.factor_sizes[1]}, '
            f'{published.factor_sizes[2]}] uint8')
    images = images.transpose(3, 4, 0, 1, 2)
    return _resized(images.reshape(-1, *images.shape[2:]), published)


def smallnorb(published: PublishedDataset, path: str) -> _Blocks:
    """Reads the six .mat.gz files of LeCun, Huang and Bottou, 2004.

    The left image of each pair, resized to the published shape. Training and
    test images together are a full grid, as in disentanglement_lib.
    """
    folder = os.path.dirname(path)
    names = (published.file, *(name for name, _ in published.more_files))

    def blocks() -> Iterator[np.ndarray]:
        images, factors = [], []
        for dat, cat, info in (names[:3], names[3:]):
            images.append(_left_images(os.path.join(folder, dat), published))
            category = _matrix(os.path.join(folder, cat)).reshape(-1, 1)
            instance, elevation, azimuth, lighting = _matrix(
                os.path.join(folder, info)).reshape(-1, 4).T
            factors.append(np.column_stack(
                [category, instance, elevation, azimuth // 2, lighting]))
        factors = np.concatenate(factors)
        place = np.ravel_multi_index(factors.T, published.factor_sizes,
                                     mode='clip')
        order = np.argsort(place, kind='stable')
        if not np.array_equal(place[order], np.arange(published.shape[0])):
            raise DataError(
                f'the images of {folder} are not those of a full grid of '
                f'{", ".join(published.factor_names)} of sizes '
                f'{published.factor_sizes}: is it {published.page}?')
        yield np.concatenate(images)[order]

    return blocks


def _left_images(path, published):
    images = _matrix(path)
    if images.ndim != 4 or images.shape[1] != 2 or images.dtype != np.uint8:
        raise DataError(f'{path} has {list(images.shape)} {images.dtype}, '
                        'expected pairs [n, 2, h, w] uint8')
    return _resized(images[:, 0, :, :, None], published)


def _matrix(path):
    """The array of a .mat.gz: type, dimensions, sizes (at least 3), entries,
    in little-endian numbers of 32 bits."""
    with reading_errors(path), gzip.open(path) as file:
        magic, rank = np.frombuffer(file.read(8), '<i4')
        if int(magic) not in _TYPES:
            raise DataError(f'{path} is no matrix file: it begins with '
                            f'{int(magic):#x}')
        sizes = np.frombuffer(file.read(4 * max(3, rank)), '<i4')[:rank]
        return np.frombuffer(file.read(), _TYPES[int(magic)]).reshape(sizes)


def _resized(images, published):
    """[n, h, w, c] uint8 -> [n, *published.image_shape]."""
    from PIL import Image
    height, width, channels = published.image_shape
    if images.shape[1:] == published.image_shape:
        return images
    resized = [np.asarray(Image.fromarray(
        image[..., 0] if channels == 1 else image).resize(
            (width, height), Image.Resampling.LANCZOS)) for image in images]
    return np.stack(resized).reshape(-1, height, width, channels)
