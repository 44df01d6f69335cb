"""Which modules of the package import which, read from their source."""

import ast
import pathlib

import topdis_jax

PACKAGE = pathlib.Path(topdis_jax.__file__).parent


def modules(folder=PACKAGE):
    """{dotted name: path} of all modules in a folder of the package."""
    return {_dotted(path): path for path in folder.rglob('*.py')}


def _dotted(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports(name, known, nested=True):
    """Those of the known modules that one imports.

    Args:
      name: of the module.
      known: {dotted name: path}.
      nested: also those within functions, which are imported later.
    """
    tree = ast.parse(known[name].read_text())
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.ImportFrom):
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for full in names:
            while full and full not in known:
                full = full.rpartition('.')[0]
            if full:
                yield full


def check_no_cycle(graph):
    """Fails with the cycle, if {name: names} has one."""
    done, path = set(), []

    def visit(name):
        assert name not in path, ' -> '.join([*path, name])
        if name not in done:
            path.append(name)
            for other in graph[name]:
                visit(other)
            done.add(path.pop())

    for name in graph:
        visit(name)
