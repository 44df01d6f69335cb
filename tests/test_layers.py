"""Imports within the package go one way: no cycle, and none upwards."""

import ast
import pathlib

import pytest

import topdis_jax

ROOT = pathlib.Path(topdis_jax.__file__).parent
# A part may import those before it in its own order, and its own modules.
LAYERS = ('files', 'progress', 'collectives', 'topology', 'losses', 'models',
          'data', 'metrics', 'plots', 'training')
# Parts that others may do without: what each may import of the package.
ALONE = {'files': (), 'progress': (), 'collectives': (),
         'topology': ('collectives',), 'losses': ('collectives', 'topology'),
         'models': (), 'data': ('files', 'progress'),
         'metrics': ('files', 'progress')}


def _module(path):
    parts = path.relative_to(ROOT.parent).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {_module(path): path for path in ROOT.rglob('*.py')}


def _imports(name, nested=True):
    """Modules of the package that one imports; when loaded, if not nested."""
    tree = ast.parse(MODULES[name].read_text())
    nodes = ast.walk(tree) if nested else tree.body
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for full in names:
            while full and full not in MODULES:
                full = full.rpartition('.')[0]
            if full and full != 'topdis_jax':
                yield full


def _part(name):
    return name.split('.')[1]


def test_all_parts_are_known():
    assert {_part(name) for name in MODULES if '.' in name} == set(LAYERS)


@pytest.mark.parametrize('name', sorted(set(MODULES) - {'topdis_jax'}))
def test_nothing_is_imported_from_above(name):
    part = _part(name)
    for other in _imports(name):
        found = _part(other)
        assert found == part or LAYERS.index(found) < LAYERS.index(part), (
            f'{name} imports {other}')
        assert found == part or found in ALONE.get(part, LAYERS), (
            f'{name} imports {other}, without which it must do')


def test_there_is_no_cycle():
    done, path = set(), []

    def visit(name):
        assert name not in path, ' -> '.join([*path, name])
        if name in done:
            return
        path.append(name)
        for other in _imports(name, nested=False):
            # A package is loaded before its modules, and may list them.
            if other != name and not name.startswith(f'{other}.'):
                visit(other)
        done.add(path.pop())

    for name in MODULES:
        visit(name)
