"""Imports within the package go one way: no cycle, and none upwards."""

import pytest

from tests.helpers import import_graph

# A part may import those before it in its own order, and its own modules.
LAYERS = ('files', 'progress', 'collectives', 'topology', 'losses', 'models',
          'data', 'metrics', 'plots', 'training')
# Parts that others may do without: what each may import of the package.
ALONE = {'files': (), 'progress': (), 'collectives': (),
         'topology': ('collectives',), 'losses': ('collectives', 'topology'),
         'models': (), 'data': ('files', 'progress'),
         'metrics': ('files', 'progress')}
MODULES = import_graph.modules()
del MODULES['topdis_jax']  # it imports nothing, and all name it


def _part(name):
    return name.split('.')[1]


def test_all_parts_are_known():
    assert {_part(name) for name in MODULES} == set(LAYERS)


@pytest.mark.parametrize('name', sorted(MODULES))
def test_nothing_is_imported_from_above(name):
    part = _part(name)
    for other in import_graph.imports(name, MODULES):
        found = _part(other)
        assert found == part or LAYERS.index(found) < LAYERS.index(part), (
            f'{name} imports {other}')
        assert found == part or found in ALONE.get(part, LAYERS), (
            f'{name} imports {other}, without which it must do')


def test_there_is_no_cycle():
    # A package is loaded before its modules, and may list them.
    import_graph.check_no_cycle({
        name: [other for other in import_graph.imports(name, MODULES,
                                                       nested=False)
               if other != name and not name.startswith(f'{other}.')]
        for name in MODULES})
