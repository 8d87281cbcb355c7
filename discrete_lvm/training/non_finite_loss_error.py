"""The error that stops a run whose loss is no longer a number."""


class NonFiniteLossError(FloatingPointError):
  """A loss term, or a weight that is about to be saved, is NaN or infinite.

  Args:
    step: The step, from 0, whose noise it is, so that it can be computed again:
      `batches(step * accumulate_steps)` begins with its batches, of a `Trainer`
      with `accumulate_steps` in a step.
    term: Name of the loss term, or path of the weight.
    checkpoint: Path of the last good checkpoint, None if there is none.

  Example:
    >>> print(NonFiniteLossError(7, 'rate', '/tmp/run/checkpoints/ckpt-5'))
    Expected finite losses and weights; received a non-finite 'rate' at step 7;
    the last good checkpoint is /tmp/run/checkpoints/ckpt-5.
  """

  def __init__(self, step: int, term: str, checkpoint: str | None):
    good = f'is {checkpoint}' if checkpoint else 'does not exist'
    super().__init__(
        'Expected finite losses and weights; received a non-finite '
        f'{term!r} at step {step}; the last good checkpoint {good}.'
    )
    self.step, self.term, self.checkpoint = step, term, checkpoint
