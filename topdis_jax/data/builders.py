"""TFDS's builders of the published grids that TFDS itself has not.

MPI3D is downloaded. The file of 3D Faces must lie in TFDS's folder for what
one gets oneself, `downloads/manual`. Importing this tells TFDS of both:

    tfds.builder('mpi3d/real', file_format='array_record')

Images are handed over as PNG, for which TFDS needs no TensorFlow, and in the
grid's order.
"""

import io
import os

import numpy as np
import tensorflow_datasets as tfds

from topdis_jax.data import prepared, published, readers
from topdis_jax.data.errors import DataError


class _Grid(tfds.core.GeneratorBasedBuilder,  # type: ignore[call-arg]
            skip_registration=True):
    VERSION = tfds.core.Version('1.0.0')
    # TFDS would look for a file of checksums, with a package that it does not
    # require. The archives have checksums of their own.
    url_infos = None

    def _info(self):
        grid = self._published()
        features = {'image': tfds.features.Image(
            shape=grid.image_shape, encoding_format='png')}
        for label, size in zip(prepared.labels(self._key(), grid),
                               grid.factor_sizes):
            features[label] = tfds.features.ClassLabel(num_classes=size)
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features),
            homepage=grid.page, disable_shuffling=True)

    def _split_generators(self, manager):
        return {'train': self._generate_examples(self._file(manager))}

    def _generate_examples(self, path):
        grid = self._published()
        labels = prepared.labels(self._key(), grid)
        stream = readers.read(self._key(), grid, path)
        for index, image in enumerate(_images(stream)):
            factors = np.unravel_index(index, grid.factor_sizes)
            yield index, {'image': _png(image),
                          **dict(zip(labels, map(int, factors)))}

    def _published(self):
        return published.PUBLISHED[self._key()]


class Mpi3d(_Grid):
    """MPI3D (Gondal et al., NeurIPS 2019), each variant a configuration."""
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in (
        'toy', 'realistic', 'real', 'complex')]

    def _key(self):
        return f'mpi3d_{self.builder_config.name}'

    def _file(self, manager):
        return os.fspath(manager.download(self._published().address))


class Faces3d(_Grid):
    """Renders of the Basel face model (Paysan et al., 2009)."""
    MANUAL_DOWNLOAD_INSTRUCTIONS = published.PUBLISHED['faces3d'].access

    def _key(self):
        return 'faces3d'

    def _file(self, manager):
        path = self._published().find(os.fspath(manager.manual_dir))
        if path is None:
            raise DataError(f'{manager.manual_dir} has no '
                            f'{self._published().file}')
        return path


def _images(stream):
    for block in stream.blocks():
        yield from block.reshape(-1, *stream.shape[1:])


def _png(image):
    """An image [h, w, c] uint8 as a file."""
    from PIL import Image
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, 'PNG')
    file.seek(0)
    return file
