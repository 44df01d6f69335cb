"""Several devices or hosts that are one CPU, to try what runs on many."""

import os
import socket

import jax


def make(count):
    """Splits the CPU into `count` devices; before the first use of one."""
    give_threads()
    jax.config.update('jax_num_cpu_devices', count)


def give_threads():
    """What fake devices need; before the first use of one.

    Several CPU devices in one process wait for one another's host callbacks
    (which barcodes of more than 512 points are), on a pool of as many threads
    as there are cores: with few cores they may wait for ever. NPROC is what
    sizes the pool.
    """
    os.environ.setdefault('NPROC', '32')


def free_address():
    """'host:port' for the coordinator of processes on this machine."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        return f'localhost:{free.getsockname()[1]}'
