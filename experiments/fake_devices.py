"""Several devices or hosts that are one CPU, to try what runs on many."""

import socket

import jax


def make(count):
    """Splits the CPU into `count` devices; before the first use of one."""
    jax.config.update('jax_num_cpu_devices', count)


def free_address():
    """'host:port' for the coordinator of processes on this machine."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        return f'localhost:{free.getsockname()[1]}'
