"""Flags with which XLA compiles quickly; tests run too little to repay more."""

from importlib import metadata
import os


def flags(devices=1):
    """A value of XLA_FLAGS, with so many fake devices."""
    chosen = [f'--xla_force_host_platform_device_count={devices}',
              '--xla_backend_optimization_level=0',
              '--xla_llvm_disable_expensive_passes=true']
    # A process stops at a flag that its jaxlib does not know.
    version = tuple(map(int, metadata.version('jaxlib').split('.')[:2]))
    if version < (0, 11):  # the emitters take two thirds of the time
        chosen.append('--xla_cpu_use_fusion_emitters=false')
    return ' '.join(chosen)


def environment(devices=1, **changes):
    """Of a program that compiles so."""
    return {**os.environ, 'XLA_FLAGS': flags(devices), **changes}
