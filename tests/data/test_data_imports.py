"""Imports within topdis_jax.data: one way, and nothing heavy."""

import ast
import pathlib
import subprocess
import sys

from topdis_jax import data

ROOT = pathlib.Path(data.__file__).parents[1]
# A module may import modules of earlier levels, and of its own folder.
LEVELS = (('errors', 'factors'), ('pipeline', 'correlation', 'digest', 'store'),
          ('rendered', 'published'), ('own',), ('sources',), ('__init__',))


def _module(path):
    parts = path.relative_to(ROOT.parent).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {_module(path): path for path in (ROOT / 'data').rglob('*.py')}


def _imports(name):
    """Modules of topdis_jax.data that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f'{node.module}.{alias.name}'
                found = full if full in MODULES else node.module
                if found in MODULES:
                    yield found


def _level(name):
    part = (name.split('.') + ['__init__'])[2]
    (level,) = [i for i, parts in enumerate(LEVELS) if part in parts]
    return level, part


def test_imports_go_one_way():
    for name in MODULES:
        level, part = _level(name)
        for other in _imports(name):
            other_level, other_part = _level(other)
            assert other_level < level or (
                other_level == level and level <= 1
            ) or other_part == part, f'{name} imports {other}'


def test_no_import_cycle():
    done, path = set(), []

    def visit(name):
        assert name not in path, f'{" -> ".join([*path, name])}'
        if name not in done:
            path.append(name)
            for other in _imports(name):
                visit(other)
            done.add(path.pop())

    for name in MODULES:
        visit(name)


def test_importing_it_loads_no_library_of_a_format():
    code = ('import sys; from topdis_jax import data; print(*{'
            '"tensorflow_datasets", "h5py", "PIL", "torch", "jax", "tqdm"}'
            ' & set(sys.modules))')
    run = subprocess.run([sys.executable, '-c', code], capture_output=True,
                         text=True, check=True)
    assert run.stdout.split() == []
