"""Ways to keep a latent in use, by name."""

import re
from typing import NamedTuple

import keras

import discrete_lvm as dlvm

SYNTAX = (
    'none (no latents), vae, beta:WEIGHT, free_bits:NATS (of each latent),'
    ' target:NATS (the rate, by a Lagrangian), delta:NATS (committed by an'
    ' AR(1) prior), delta_independent:NATS (committed by the scales),'
    ' delta_categorical:NATS (the same of categorical latents), or categorical:'
    ' for instance delta:8'
)
_WITH_VALUE = (
    'beta',
    'free_bits',
    'target',
    'delta',
    'delta_independent',
    'delta_categorical',
)
_WITHOUT_VALUE = ('none', 'vae', 'categorical')
_METHOD = re.compile(r'([a-z_]+)(?::(\d+(?:\.\d+)?))?')


class Method(NamedTuple):
  """A way to keep a latent in use.

  Attributes:
    kind: Its name without the value.
    value: Its number, or None.
  """

  kind: str
  value: float | None

  @property
  def has_latents(self) -> bool:
    """Whether there are latents at all."""
    return self.kind != 'none'

  @property
  def is_categorical(self) -> bool:
    """Whether the latents are categorical."""
    return self.kind.endswith('categorical')


def parse(name: str) -> Method:
  """Reads the name of a method.

  Args:
    name: As `SYNTAX` says.

  Returns:
    `Method`.

  Raises:
    ValueError: If `name` is not of this form.

  Example:
    >>> parse('delta:8')
    Method(kind='delta', value=8.0)
  """
  match = _METHOD.fullmatch(name)
  kind, value = match.groups() if match else (None, None)
  if kind not in (_WITHOUT_VALUE if value is None else _WITH_VALUE):
    raise ValueError(f'Expected a method, {SYNTAX}; received {name!r}.')
  return Method(kind, None if value is None else float(value))


def build_latents(
    method: Method, length: int, dim: int, seed: int
) -> dlvm.models.NoLatents:
  """Builds the latents of a method.

  Args:
    method: `Method`.
    length: Number of steps.
    dim: Dimension of a step, or number of classes.
    seed: Python `int`, seed of the initial weights.

  Returns:
    A `Latents` of `dlvm.models`.

  Raises:
    ValueError: If the family cannot commit as many nats, or there is but one
      class.
  """
  if method.is_categorical and dim < 2:
    raise ValueError(
        'Expected --latent_dim of at least 2 for categorical latents; received '
        f'{dim}.'
    )
  value = method.value or 0.0
  match method.kind:
    case 'none':
      return dlvm.models.NoLatents(length, dim)
    case 'delta':
      alpha = dlvm.ops.ar1_alpha_for_rate(value, length, num_dims=dim)
      return dlvm.models.GaussianLatents(length, dim, float(alpha), seed=seed)
    case 'delta_independent':
      return dlvm.models.GaussianLatents(
          length, dim, delta=value / (length * dim), seed=seed
      )
    case 'delta_categorical' | 'categorical':
      return dlvm.models.CategoricalLatents(
          length, dim, delta=value / length, seed=seed
      )
    case _:
      return dlvm.models.GaussianLatents(length, dim, seed=seed)


def build_rate_control(method: Method) -> keras.layers.Layer | None:
  """Builds what stands in the loss for the rate; None: the rate itself.

  Args:
    method: `Method`.

  Returns:
    A Keras layer, or None.
  """
  match method.kind:
    case 'beta':
      return dlvm.models.RateWeight(method.value)
    case 'free_bits':
      return dlvm.models.FreeBits(method.value)
    case 'target':
      return dlvm.models.TargetRate(method.value)
    case _:
      return None
