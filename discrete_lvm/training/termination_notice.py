"""Takes note of the signal by which a machine takes a process back."""

import signal
import threading


class TerminationNotice:
  """A context in which SIGTERM does not kill but is taken note of.

  TensorFlow's runtime of several workers catches the signal for a notice of its
  own, and would leave the process deaf to it; within the context this one is in
  its place. Signals reach the main thread of Python alone: in another thread
  nothing is changed and nothing noted.

  Attributes:
    received: Whether the signal has come.

  Example:
    >>> import os, signal
    >>> from discrete_lvm.training import termination_notice
    >>> with termination_notice.TerminationNotice() as notice:
    ...   os.kill(os.getpid(), signal.SIGTERM)
    ...   print(notice.received)
    True
  """

  def __init__(self):
    self.received = False
    self._is_installed = False
    self._previous = None

  def __enter__(self):
    if threading.current_thread() is threading.main_thread():
      self._previous = signal.signal(signal.SIGTERM, self._note)
      self._is_installed = True
    return self

  def __exit__(self, *error):
    if self._is_installed:
      # None stands for a handler that was not set by Python.
      signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)
      self._is_installed = False

  def _note(self, signum, frame):
    del signum, frame
    self.received = True
