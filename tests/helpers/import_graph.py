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


def imports(code, known):
    """Modules, of those that are known, that a module's code imports.

    Of `from a.b import c` that is a.b.c if it is known, and a.b otherwise.
    Imports within functions count too.
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, 'write the full name, not a relative import'
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in known:
                name = name.rpartition('.')[0]
            if name:
                yield name


def cycle(graph):
    """A path in {module: modules} that ends where it began, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name):], name]
        if name not in done:
            path.append(name)
            for other in graph[name]:
                found = visit(other)
                if found:
                    return found
            done.add(path.pop())
        return None

    return next(filter(None, map(visit, graph)), None)
