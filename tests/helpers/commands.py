"""Commands as a user types them, without the wait for their imports.

`python -m experiments.NAME` takes seconds to import what most commands need.
Here one process imports it, and each command is a fork of that process: it has
a command line, a folder, output, an exit status and the test's environment, but
for what is read by an import.
"""

import atexit
import functools
import json
import os
import runpy
import subprocess
import sys
import tempfile

from tests.helpers import quick
from tests.helpers.places import ROOT


def run(module, *args, devices=1, cwd=ROOT):
    """What subprocess.run gives for `python -m MODULE ARGS`, as text.

    Args:
      module: one that is not imported by others, as its flags are its own.
      devices: fake ones.
      cwd: the folder it is started in.
    """
    server = _server()
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ('out', 'err')]
        server.stdin.write(json.dumps(dict(
            module=module, args=args, cwd=str(cwd), paths=paths,
            environment=quick.environment(devices))) + '\n')
        server.stdin.flush()
        status = int(server.stdout.readline())
        printed = []
        for path in paths:
            with open(path) as file:
                printed.append(file.read())
    return subprocess.CompletedProcess([module, *args], status, *printed)


@functools.cache
def _server():
    server = subprocess.Popen(
        [sys.executable, '-m', 'tests.helpers.commands'], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    atexit.register(server.stdin.close)  # which ends it
    return server


def _serve():
    """Returns in the fork, with its task; the server itself ends here."""
    from experiments import console, directions  # noqa: F401
    from topdis_jax import plots, topology  # noqa: F401
    from topdis_jax.metrics import evaluate  # noqa: F401
    from topdis_jax.training import loop, page, tensorboard  # noqa: F401
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    sys.exit()


def _become(module, args, cwd, paths, environment):
    for number, path in enumerate([os.devnull, *paths]):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)  # XLA reads its flags when it first computes
    sys.argv[1:] = args
    runpy.run_module(module, run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    _become(**_serve())
