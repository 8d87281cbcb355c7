"""What distributions share that take either logits or probabilities."""

import abc


class LogitsOrProbs(abc.ABC):
  """Mixin of a `tfd.Distribution` with the attributes `_logits` and `_probs`.

  One of the two is None, the other a `Tensor` or a variable.
  """

  @property
  def logits(self):
    """The argument `logits`."""
    return self._logits

  @property
  def probs(self):
    """The argument `probs`."""
    return self._probs

  def logits_parameter(self, name='logits_parameter'):
    """Returns logits, float32 at the least: as given, or out of `probs`."""
    with self._name_and_control_scope(name):
      return self._float_logits()

  def probs_parameter(self, name='probs_parameter'):
    """Returns probabilities, float32 at the least."""
    with self._name_and_control_scope(name):
      return self._float_probs()

  @abc.abstractmethod
  def _float_logits(self):
    """Returns the logits, float32 at the least."""

  @abc.abstractmethod
  def _float_probs(self):
    """Returns the probabilities, float32 at the least."""

  def _given_parameter(self):
    """Returns the one that was given, and its name."""
    if self._logits is None:
      return self._probs, 'probs'
    return self._logits, 'logits'
