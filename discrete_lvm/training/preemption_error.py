"""The error that ends a run which was asked to stop."""


class PreemptionError(RuntimeError):
  """The process was asked to end, and has saved a checkpoint before.

  Started again, the run goes on from there as if nothing had happened.

  Args:
    step: Number of steps done.
    checkpoint: Path of the checkpoint.

  Example:
    >>> print(PreemptionError(7, '/tmp/run/checkpoints/ckpt-7'))
    Stopped by SIGTERM after step 7; start again to go on from
    /tmp/run/checkpoints/ckpt-7.
  """

  def __init__(self, step: int, checkpoint: str | None):
    super().__init__(
        f'Stopped by SIGTERM after step {step}; start again to go on from '
        f'{checkpoint}.'
    )
    self.step, self.checkpoint = step, checkpoint
