"""TFDS builders for MPI3D and 3D Faces, which TFDS does not ship.

MPI3D is downloaded. The user puts the file of 3D Faces into `downloads/manual`
of TFDS's folder. Importing this module registers the builders:

    tfds.builder('mpi3d/real', file_format='array_record')

Images are encoded as PNG, for which TFDS does not need TensorFlow, in the
order of the grid.
"""

import io
import os

import numpy as np
import tensorflow_datasets as tfds

from topdis_jax.data.errors import DataError
from topdis_jax.data.published import readers, table, tfds_copies


class _Grid(tfds.core.GeneratorBasedBuilder,  # type: ignore[call-arg]
            skip_registration=True):
    VERSION = tfds.core.Version('1.0.0')
    # TFDS would look for a file of checksums, with a package that it does not
    # require. The archives contain checksums.
    url_infos = None

    def _info(self):
        grid = self._published()
        features = {'image': tfds.features.Image(
            shape=grid.image_shape, encoding_format='png')}
        for label, size in zip(tfds_copies.labels(grid),
                               grid.factor_sizes):
            features[label] = tfds.features.ClassLabel(num_classes=size)
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features),
            homepage=grid.page, disable_shuffling=True)

    def _split_generators(self, manager):
        return {'train': self._generate_examples(self._file(manager))}

    def _generate_examples(self, path):
        grid = self._published()
        labels = tfds_copies.labels(grid)
        stream = readers.read(grid, path)
        for index, image in enumerate(_images(stream)):
            factors = np.unravel_index(index, grid.factor_sizes)
            yield index, {'image': _png(image),
                          **dict(zip(labels, map(int, factors)))}

    def _published(self):
        name = self.name
        if self.builder_config:
            name += f'/{self.builder_config.name}'
        (grid,) = [grid for grid in table.PUBLISHED.values()
                   if grid.tfds_name == name]
        return grid


class Mpi3d(_Grid):
    """MPI3D (Gondal et al., NeurIPS 2019); a configuration per variant."""
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=grid.tfds_name.removeprefix('mpi3d/'))
        for grid in table.PUBLISHED.values()
        if grid.tfds_name.startswith('mpi3d/')]

    def _file(self, manager):
        return os.fspath(manager.download(self._published().url))


class Faces3d(_Grid):
    """Renders of the Basel face model (Paysan et al., 2009)."""
    MANUAL_DOWNLOAD_INSTRUCTIONS = table.PUBLISHED['faces3d'].how_to_get

    def _file(self, manager):
        path = self._published().find_file(os.fspath(manager.manual_dir))
        if path is None:
            raise DataError(f'{manager.manual_dir} has no '
                            f'{self._published().file}')
        return path


def _images(stream):
    for block in stream.blocks():
        yield from block.reshape(-1, *stream.shape[1:])


def _png(image):
    """Encodes an image [h, w, c] uint8 as a PNG file in memory."""
    from PIL import Image
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, 'PNG')
    file.seek(0)
    return file
