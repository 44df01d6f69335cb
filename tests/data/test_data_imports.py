"""Imports within topdis_jax.data: one way, and nothing heavy."""

import subprocess
import sys

from tests.helpers import import_graph

# A module may import modules of earlier levels, and of its own folder.
LEVELS = (('errors', 'factors'), ('pipeline', 'correlation', 'digest', 'store'),
          ('rendered', 'published'), ('own',), ('sources',), ('__init__',))


MODULES = import_graph.modules(import_graph.PACKAGE / 'data')


def _level(name):
    part = (name.split('.') + ['__init__'])[2]
    (level,) = [i for i, parts in enumerate(LEVELS) if part in parts]
    return level, part


def test_imports_go_one_way():
    for name in MODULES:
        level, part = _level(name)
        for other in import_graph.imports(
                MODULES[name].read_text(), MODULES):
            other_level, other_part = _level(other)
            assert other_level < level or (
                other_level == level and level <= 1
            ) or other_part == part, f'{name} imports {other}'


def test_no_import_cycle():
    assert import_graph.cycle({
        name: list(import_graph.imports(path.read_text(), MODULES))
        for name, path in MODULES.items()}) is None


def test_importing_it_loads_no_library_of_a_format():
    code = ('import sys; from topdis_jax import data; print(*{'
            '"tensorflow_datasets", "h5py", "PIL", "torch", "jax", "tqdm"}'
            ' & set(sys.modules))')
    run = subprocess.run([sys.executable, '-c', code], capture_output=True,
                         text=True, check=True)
    assert run.stdout.split() == []
