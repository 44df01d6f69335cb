"""Prepares a published data set with TensorFlow Datasets (TFDS)."""

import importlib.util
import os
import socket
import urllib.parse

from topdis_jax.data.errors import DataError, option
from topdis_jax.data.published import tfds_copies
from topdis_jax.data.published.table import PublishedDataset

# What TFDS's own builders need, and those of `tfds_builders`.
_TFDS_PACKAGES = ('tensorflow', 'h5py', 'importlib_resources')
_OUR_PACKAGES = ('array_record', 'Pillow')
_DRIVE = 'drive.google.com'  # TFDS reads its pages with this package:
_DRIVE_PACKAGE = 'beautifulsoup4'
_MODULES = {_DRIVE_PACKAGE: 'bs4', 'Pillow': 'PIL',
            'tensorflow-datasets': 'tensorflow_datasets'}


def instructions(published: PublishedDataset, root: str | None) -> str:
    """A line that says how to get a data set with TFDS.

    Args:
      published, root: as in `find_or_prepare`.
    """
    install = f'TFDS: pip install {" ".join(_packages(published))}'
    if published.tfds_host:
        return (f'{install} && tfds build {published.tfds_name} '
                f'--file_format={tfds_copies.FORMAT}, on any machine; '
                'TensorFlow is not needed to read what it writes, in '
                '~/tensorflow_datasets or, with --data_dir, in '
                f'the folder {option("root=FOLDER")}')
    if published.url:
        return (f'{install}, and with {option("source=tfds")} it is '
                f'downloaded from {published.url}')
    return (f'{install}, and with {option("source=tfds")} it is prepared '
            f'from {published.file} in {_manual(root)} '
            f'({published.how_to_get})')


def find_or_prepare(published: PublishedDataset, root: str | None) -> str:
    """Folder of a prepared copy; TFDS prepares one if there is none.

    Args:
      published: the data set.
      root: folder where copies may be, besides TFDS's own folder.

    Raises:
      DataError: TFDS cannot prepare it here; the message says why.
    """
    if not published.tfds_name:
        raise DataError(f'TFDS has no builder of {published.name}; use '
                        + option('source=file'))
    found = tfds_copies.find(published, root)
    if found:
        return found
    reason = _obstacle(published, root)
    if reason:
        raise DataError(
            f'TFDS has not prepared {published.name} in '
            f'{" or ".join(tfds_copies.folders(root))}, and cannot here '
            f'{reason}. {instructions(published, root)}')
    return _prepare(published, tfds_copies.folders(root)[0])


def _obstacle(published, root):
    """Why TFDS cannot prepare a data set, or None."""
    lacking = [package for package in _packages(published)
               if not importlib.util.find_spec(
                   _MODULES.get(package, package))]
    if lacking:
        return f'without {", ".join(lacking)}'
    host = _host(published)
    # TFDS itself would try for minutes.
    if host and not _reachable(host):
        return f'because {host} cannot be reached'
    if not host and not published.find_file(_manual(root)):
        return f'without {published.file} in {_manual(root)}'
    return None


def _packages(published):
    """What must be installed to prepare a data set."""
    more = _TFDS_PACKAGES if published.tfds_host else _OUR_PACKAGES
    if _host(published) == _DRIVE:
        more = (*more, _DRIVE_PACKAGE)
    return ('tensorflow-datasets', *more)


def _host(published):
    """Host of the download; None: the user must provide the file."""
    return published.tfds_host or urllib.parse.urlsplit(
        published.url).hostname


def _manual(root):
    """TFDS's folder of files that the user provides."""
    return os.path.join(tfds_copies.folders(root)[0], 'downloads', 'manual')


def _reachable(host):
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError:
        return False
    return True


def _prepare(published, folder):
    import tensorflow_datasets as tfds
    # The import registers the builders with TFDS.
    from topdis_jax.data.published import tfds_builders  # noqa: F401
    builder = tfds.builder(published.tfds_name, data_dir=folder,
                           file_format=tfds_copies.FORMAT)
    try:
        builder.download_and_prepare(
            # Google has no copies in this format.
            download_config=tfds.download.DownloadConfig(
                try_download_gcs=False))
    except tfds.download.DownloadError as error:
        raise DataError(
            f'TFDS cannot download {published.name}: {error}') from error
    return os.fspath(builder.data_dir)
