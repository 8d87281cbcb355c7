"""How names on a command line become gradient estimators."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import Any

from absl import flags
import tensorflow as tf

import discrete_lvm as dlvm

SYNTAX = (
    "'all', or a name of `dlvm.estimators.ESTIMATORS` and arguments of its"
    " constructor that are numbers, 'NAME:argument=number:...'"
)
ESTIMATORS = flags.DEFINE_list(
    'estimators', ['all'], f'Estimators, by commas; each is {SYNTAX}.'
)


def listed() -> list[str]:
  """Returns the names that the flag `--estimators` asks for, each once.

  Raises:
    ValueError: If one of them is unknown or has no such arguments.
  """
  names = []
  for name in ESTIMATORS.value:
    names += dlvm.estimators.ESTIMATORS if name == 'all' else [name]
  for name in names:
    make(name)
  if not names:
    raise ValueError(f'Expected --estimators of {SYNTAX}; received none.')
  return [*dict.fromkeys(names)]


def base_name(name: str) -> str:
  """Returns a name without its arguments.

  Args:
    name: As for `make`.
  """
  return name.partition(':')[0]


def arguments(name: str) -> dict[str, int | float]:
  """Returns the arguments that stand in a name.

  Args:
    name: As for `make`.

  Raises:
    ValueError: If one of them is no number.

  Example:
    >>> arguments('gumbel_rao:num_resamples=100:temperature=0.5')
    {'num_resamples': 100, 'temperature': 0.5}
  """
  found: dict[str, int | float] = {}
  for item in name.split(':')[1:]:
    argument, _, value = item.partition('=')
    try:
      found[argument] = int(value) if value.isdecimal() else float(value)
    except ValueError as error:
      raise ValueError(
          f'Expected --estimators of {SYNTAX}; received {name!r}.'
      ) from error
  return found


def make(name: str, **kwargs) -> dlvm.estimators.Estimator:
  """Makes an estimator.

  Args:
    name: A key of `dlvm.estimators.ESTIMATORS`, and maybe arguments that are
      numbers: `'gumbel_rao:num_resamples=100:temperature=0.5'`.
    **kwargs: Further arguments; those of the name go before.

  Returns:
    The estimator.

  Raises:
    ValueError: If the name is not of this form, or as the estimator raises.

  Example:
    >>> make('leave_one_out:num_samples=4').num_samples
    4
  """
  cls = dlvm.estimators.ESTIMATORS.get(base_name(name))
  if cls is None:
    raise ValueError(
        f'Expected --estimators of {sorted(dlvm.estimators.ESTIMATORS)}; '
        f'received {base_name(name)!r}.'
    )
  return cls(**{**kwargs, **arguments(name)})


def count_evaluations(
    estimator: dlvm.estimators.Estimator,
    logits: tf.Tensor,
    objective: Any,
) -> int:
  """Counts the codes that the objective sees in a call, for one example.

  Args:
    estimator: The estimator.
    logits: `Tensor`, shape `[N, K]`.
    objective: The objective, a differentiable function of codes.

  Returns:
    The number, with those of derivatives that the estimator takes.

  Raises:
    ValueError: If the estimator refuses such logits.
  """
  size = 2
  seen = []

  def counted(codes):
    seen.append(math.prod(codes.shape[:-2]))
    return objective(codes)

  logits = tf.stack([logits] * size)
  estimator.build(logits.shape)
  with tf.GradientTape() as tape:
    tape.watch(logits)
    # Not by way of Keras, which wraps what is raised in a page of context.
    values = estimator.call(
        logits, objective=counted, seed=[0, 1], training=False
    )
  tape.gradient(values, logits)  # It may evaluate some more.
  return sum(seen) // size


def applicable(
    names: Sequence[str],
    num_latents: int,
    num_classes: int,
    max_evaluations: int,
    unlimited: Collection[str] = (),
) -> tuple[dict[str, int], Mapping[str, str]]:
  """Tells estimators that take such latents from those that do not.

  Args:
    names: As for `make`.
    num_latents: Number of latents N.
    num_classes: Number of classes K.
    max_evaluations: Most evaluations of the objective in a call, for one
      example.
    unlimited: Names that may have more.

  Returns:
    Names to their evaluations; and names of the others to the reason.

  Example:
    >>> found, left_out = applicable(['arm', 'reinmax'], 2, 3, 10)
    >>> found, left_out['arm']
    ({'reinmax': 1}, 'Expected `logits` of K = 2 classes; received K = 3, ...
  """
  found, left_out = {}, {}
  for name in names:
    try:
      evaluations = count_evaluations(
          make(name),
          tf.zeros([num_latents, num_classes]),
          lambda codes: tf.reduce_sum(codes**2, axis=[-2, -1]),
      )
    except ValueError as error:
      left_out[name] = ' '.join(str(error).split()).rstrip('.')
      continue
    if evaluations > max_evaluations and name not in unlimited:
      left_out[name] = (
          f'{evaluations:,} evaluations of the objective a step, more than '
          f'{max_evaluations:,}'
      )
    else:
      found[name] = evaluations
  return found, left_out
