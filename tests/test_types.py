"""Every public function says the types of its arguments and its result."""

import ast
import pathlib
import re

import pytest

import topdis_jax

ROOT = pathlib.Path(topdis_jax.__file__).parent
# Numba compiles these, and gives them their types.
PATHS = sorted(path for path in ROOT.rglob('*.py')
               if path.parent.name != 'kernels')


def _public(body, prefix=''):
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
            yield from _public(node.body, f'{node.name}.')
        if isinstance(node, ast.FunctionDef) and not (
                re.match('_(?!_)', node.name)):  # __init__ is public
            yield prefix + node.name, node


@pytest.mark.parametrize('path', PATHS, ids=lambda path: str(
    path.relative_to(ROOT)))
def test_public_functions_have_types(path):
    missing = []
    for name, node in _public(ast.parse(path.read_text()).body):
        arguments = [*node.args.posonlyargs, *node.args.args,
                     *node.args.kwonlyargs, *filter(None, (
                         node.args.vararg, node.args.kwarg))]
        if arguments and arguments[0].arg in ('self', 'cls'):
            del arguments[0]
        if node.returns is None or any(
                a.annotation is None for a in arguments):
            missing.append(name)
    assert not missing
