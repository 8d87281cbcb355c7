"""Measures the memory that a call needs at its peak."""

from collections.abc import Callable
from concurrent import futures
import multiprocessing
import pathlib
import sys

_PROCESS = pathlib.Path('/proc/self')


def peak_bytes(prepare: Callable[..., Callable[[], object]], *args) -> int:
  """Measures how far a call raises the resident memory of a new process.

  A new one, since an allocator keeps what an earlier call has freed.

  Args:
    prepare: Function at the top level of a module that takes `args` and returns
      the call to measure, ready: with its inputs made and its graph traced.
    *args: What `prepare` takes, without flags: nobody parses them there.

  Returns:
    The bytes between the peak and the memory before the call, or 0 where the
    system has no such record: it is Linux that does.
  """
  if sys.platform != 'linux':
    return 0
  # A process forked after TensorFlow has started its threads would hang.
  context = multiprocessing.get_context('forkserver')
  context.set_forkserver_preload(['discrete_lvm'])  # Once, not in each.
  with futures.ProcessPoolExecutor(1, mp_context=context) as pool:
    return pool.submit(_measure, prepare, *args).result()


def _measure(prepare, *args):
  call = prepare(*args)
  before = _resident_bytes('VmRSS')
  (_PROCESS / 'clear_refs').write_text('5')  # Sets the peak to the present.
  call()
  return _resident_bytes('VmHWM') - before


def _resident_bytes(key):
  for line in (_PROCESS / 'status').read_text().splitlines():
    if line.startswith(f'{key}:'):
      return 1024 * int(line.split()[1])
  raise ValueError(f'Expected {key} in {_PROCESS}/status; received none.')
