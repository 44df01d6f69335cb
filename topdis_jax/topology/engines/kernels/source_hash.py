"""A hash of the code of this package.

Numba reuses compiled code while the function's file, bytecode and closure
variables are the same. It looks at no other file and at no global, and so this
hash is a closure variable of each function that is kept and calls others.
"""

import hashlib
from importlib import resources


def _source_hash() -> int:
    """0 if a file cannot be read: then nothing may be kept."""
    found = hashlib.sha256()
    try:
        for path in sorted(resources.files(__package__).iterdir(),
                           key=lambda path: path.name):
            if path.name.endswith('.py') and not path.name.startswith('.'):
                found.update(path.name.encode() + path.read_bytes())
    except OSError:
        return 0
    return int.from_bytes(found.digest()[:7], 'big')  # fits in an int64


# Now, and not when code is compiled: files may be edited after the import.
SOURCE_HASH = _source_hash()
