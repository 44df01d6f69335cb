"""Imports within the package go one way: no cycle, and none upwards.

Imports are read from the code, those within functions too.
"""

import pytest

from tests.helpers import import_graph

# A part may import those before it in this order, and its own modules.
LAYERS = ('files', 'progress', 'suggestions', 'collectives', 'topology',
          'losses', 'directions', 'models', 'data', 'metrics', 'plots',
          'training')
# Parts that are used without most others: all that each may import.
ALONE = {'files': (), 'progress': (), 'suggestions': (),
         'collectives': (),
         'topology': ('collectives',), 'losses': ('collectives', 'topology'),
         'directions': ('progress', 'collectives', 'topology', 'losses'),
         'models': (), 'data': ('files', 'progress', 'suggestions'),
         'metrics': ('files', 'progress', 'suggestions'),
         'plots': ('files', 'topology', 'losses', 'data')}
# Folders of the repository that use the package.
ABOVE = ('experiments', 'tests', 'docs')

PATHS = import_graph.modules()
GRAPH = {
    name: sorted(set(import_graph.imports(path.read_text(), {*PATHS, *ABOVE})))
    for name, path in PATHS.items()}


def _part(name):
    """'topology' of 'topdis_jax.topology.distances'."""
    return [*name.split('.'), ''][1]


def _forbidden(name, imported):
    """The imports of a module that the layers do not allow."""
    part = _part(name)
    allowed = ALONE.get(part, LAYERS[:LAYERS.index(part)])
    return [other for other in imported
            if other != 'topdis_jax' and _part(other) not in (part, *allowed)]


def test_all_parts_are_known():
    assert {_part(name) for name in PATHS} - {''} == set(LAYERS)
    for part, allowed in ALONE.items():
        assert set(allowed) <= set(LAYERS[:LAYERS.index(part)])


@pytest.mark.parametrize('name', sorted(set(PATHS) - {'topdis_jax'}))
def test_nothing_is_imported_from_above(name):
    assert not _forbidden(name, GRAPH[name])


def test_the_package_itself_imports_none_of_its_parts():
    assert not GRAPH['topdis_jax']


def test_there_is_no_cycle():
    # `from topdis_jax import x` is an import of x alone.
    assert import_graph.cycle({
        name: set(imported) - {'topdis_jax', *ABOVE}
        for name, imported in GRAPH.items()}) is None


@pytest.mark.parametrize('code', [
    'from topdis_jax.training import loop', 'import experiments.run',
    'from topdis_jax import training',
    'def f():\n    from topdis_jax.training.loop import train'])
def test_an_import_from_above_is_found(code):
    imported = import_graph.imports(code, {*PATHS, *ABOVE})
    assert _forbidden('topdis_jax.metrics.mig', imported)


def test_a_cycle_is_found():
    graph = {'a': ['b'], 'b': ['c', 'd'], 'c': [], 'd': ['b']}
    assert import_graph.cycle(graph) == ['b', 'd', 'b']
    assert import_graph.cycle(graph | {'d': ['c']}) is None
