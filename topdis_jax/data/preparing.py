"""Has TFDS prepare a published data set, or says what it needs for that."""

import importlib.util
import os
import socket
import urllib.parse

from topdis_jax.data import prepared
from topdis_jax.data.errors import DataError

# Of the data sets that TFDS has itself; the others are in `builders`.
_HOSTS = {'dsprites': 'raw.githubusercontent.com',
          'shapes3d': 'storage.googleapis.com',
          'celeba': 'drive.usercontent.google.com'}
_PACKAGES = ('tensorflow', 'h5py', 'importlib_resources')
_DRIVE = 'drive.google.com'  # whose pages TFDS reads with this package:
_DRIVE_PACKAGE = 'beautifulsoup4'
_MODULES = {_DRIVE_PACKAGE: 'bs4', 'Pillow': 'PIL',
            'tensorflow-datasets': 'tensorflow_datasets'}


def way(name, published, root):
    """A line that says how to have a data set from TFDS."""
    install = f'TFDS: pip install {" ".join(_packages(name, published))}'
    if name in _HOSTS:
        return (f'{install} && tfds build {prepared.NAMES[name]} '
                f'--file_format={prepared.FORMAT}, on any machine; TensorFlow '
                'is not needed to read what it writes, in '
                '~/tensorflow_datasets or, with --data_dir, in '
                'config.data.root')
    if published.address:
        return (f'{install}, and with --config.data.source=tfds it is '
                f'downloaded from {published.address}')
    return (f'{install}, and with --config.data.source=tfds it is prepared '
            f'from {published.file} in {_manual(root)} ({published.access})')


def get(name, published, root):
    """Folder of a prepared copy, which TFDS makes if there is none.

    Args:
      name: a key of prepared.NAMES.
      published: Published.
      root: where copies may lie, beside TFDS's own folder.

    Raises:
      DataError: TFDS cannot make it here; the message says why.
    """
    found = prepared.find(name, root)
    if found:
        return found
    reason = _hindrance(name, published, root)
    if reason:
        raise DataError(
            f'TFDS has not prepared {name} in '
            f'{" or ".join(prepared.folders(root))}, and cannot here {reason}.'
            f' {way(name, published, root)}')
    return _prepare(name, prepared.folders(root)[0])


def _hindrance(name, published, root):
    """Why TFDS cannot prepare a data set, or None."""
    lacking = [package for package in _packages(name, published)
               if not importlib.util.find_spec(
                   _MODULES.get(package, package))]
    if lacking:
        return f'without {", ".join(lacking)}'
    host = _host(name, published)
    # TFDS itself would try for minutes.
    if host and not _reachable(host):
        return f'because {host} cannot be reached'
    if not host and not published.find(_manual(root)):
        return f'without {published.file} in {_manual(root)}'
    return None


def _packages(name, published):
    """What must be installed to prepare a data set."""
    if name in _HOSTS:
        more = _PACKAGES
    else:
        more = ('array_record', 'Pillow')
    if _host(name, published) == _DRIVE:
        more = (*more, _DRIVE_PACKAGE)
    return ('tensorflow-datasets', *more)


def _host(name, published):
    """Where it is downloaded from; None: one must get the file oneself."""
    return _HOSTS.get(name) or urllib.parse.urlsplit(
        published.address).hostname


def _manual(root):
    """TFDS's folder of files that one gets oneself."""
    return os.path.join(prepared.folders(root)[0], 'downloads', 'manual')


def _reachable(host):
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError:
        return False
    return True


def _prepare(name, folder):
    import tensorflow_datasets as tfds
    from topdis_jax.data import builders  # noqa: F401  (TFDS then has them)
    builder = tfds.builder(prepared.NAMES[name], data_dir=folder,
                           file_format=prepared.FORMAT)
    try:
        builder.download_and_prepare(
            # Google keeps no copies in this format.
            download_config=tfds.download.DownloadConfig(
                try_download_gcs=False))
    except tfds.download.DownloadError as error:
        raise DataError(f'TFDS cannot download {name}: {error}') from error
    return os.fspath(builder.data_dir)
