"""Discrete flows by name: a base, and the flows that move its events."""

from collections.abc import Sequence
import re
from typing import NamedTuple

import keras

import discrete_lvm as dlvm

SYNTAX = (
    'factorized or autoregressive, the base, and then any number of +FLOW or'
    ' +COUNTxFLOW, from the base to the data, with FLOW one of autoregressive,'
    ' bipartite, sorting: for instance factorized+4xbipartite'
)
BASES = ('factorized', 'autoregressive')
CAUSAL_NETWORKS = ('table', 'made', 'lstm', 'convolution', 'transformer')
BIPARTITE_NETWORKS = ('table', 'dense', 'convolution', 'transformer')
MASKS = ('all_but_one', 'alternating')
GRADIENTS = ('softmax', 'gumbel', 'reinmax')
# Of tables. Where all classes tie the argmax is the first one, no shift: flows
# begin as the identity. A random shift for each context would first scramble
# what structure the data have.
_STDDEV = 0.0
_DILATIONS = (1, 2, 4, 8)
# Layers and heads.
_TRANSFORMER = (2, 4)
_FLOW = re.compile(r'(?:([1-9]\d*)x)?(autoregressive|bipartite|sorting)')


class Options(NamedTuple):
  """What a name leaves open.

  Attributes:
    causal_network: One of `CAUSAL_NETWORKS`, of bases and autoregressive flows.
    bipartite_network: One of `BIPARTITE_NETWORKS`, of bipartite and sorting
      flows.
    units: Width of the networks but for tables.
    masks: One of `MASKS`: the i-th bipartite flow changes one position given
      all the others, in turn; or every other position given the rest.
    with_scale: Whether flows scale, or only shift.
    gradient: One of `GRADIENTS`, of the argmax of shifts and scales.
    temperature: Temperature of that gradient, at the beginning.
  """

  causal_network: str
  bipartite_network: str
  units: int
  masks: str
  with_scale: bool
  gradient: str
  temperature: float


def parse(name: str) -> tuple[str, list[str]]:
  """Reads the name of a model.

  Args:
    name: As `SYNTAX` says.

  Returns:
    The name of the base; and those of the flows, one by one, from the base to
    the data.

  Raises:
    ValueError: If `name` is not of this form.

  Example:
    >>> parse('factorized+2xbipartite')
    ('factorized', ['bipartite', 'bipartite'])
  """
  base, *terms = name.split('+')
  matches = [_FLOW.fullmatch(term) for term in terms]
  if base not in BASES or None in matches:
    raise ValueError(f'Expected a model, {SYNTAX}; received {name!r}.')
  counted = [match.groups() for match in matches]
  return base, [kind for count, kind in counted for _ in range(int(count or 1))]


def build_model(
    name: str, length: int, num_classes: int, options: Options, seed: int
) -> dlvm.models.DiscreteFlow:
  """Builds a discrete flow.

  Autoregressive flows go through the positions from right to left and from left
  to right in turn, beginning with the one next to the base, because an
  autoregressive base goes from left to right.

  Args:
    name: As `SYNTAX` says.
    length: Number of positions.
    num_classes: Number of classes `K`.
    options: `Options`.
    seed: Python `int`, seed of the initial weights.

  Returns:
    The model, not built yet.

  Raises:
    ValueError: As `parse` raises.
  """
  base_name, flow_names = parse(name)
  base = None
  if base_name == 'autoregressive':
    base = _causal_network(num_classes, options, seed)
  flows: list[keras.layers.Layer] = []
  for i, kind in enumerate(flow_names):
    index = flow_names[:i].count(kind)
    make = _autoregressive if kind == 'autoregressive' else _bipartite
    shape = (length, num_classes)
    # From data to base is how the model lists them.
    flows = [*make(kind, index, shape, options, seed + i + 1), *flows]
  return dlvm.models.DiscreteFlow(flows, length, num_classes, base)


def temperatures(model: dlvm.models.DiscreteFlow) -> Sequence[keras.Variable]:
  """Lists the temperatures of a model's flows."""
  return [f.temperature for f in model.flows if hasattr(f, 'temperature')]


def _autoregressive(unused_kind, index, shape, options, seed):
  network = _causal_network(_num_outputs(shape[1], options), options, seed)
  flow = dlvm.layers.DiscreteAutoregressiveFlow(
      network, options.gradient, options.temperature, seed
  )
  if index % 2:
    return [flow]
  reversals = [dlvm.layers.PermutePositions('reverse') for _ in range(2)]
  return [reversals[0], flow, reversals[1]]


def _bipartite(kind, index, shape, options, seed):
  length, num_classes = shape
  if options.masks == 'all_but_one':
    mask = dlvm.ops.all_but_one_mask(length, index % length)
  else:
    mask = dlvm.ops.alternating_mask(length) ^ bool(index % 2)
  is_sorting = kind == 'sorting'
  num_outputs = (
      num_classes if is_sorting else _num_outputs(num_classes, options)
  )
  network = _bipartite_network(num_outputs, length, mask, options, seed)
  if is_sorting:
    return [dlvm.layers.DiscreteSortingFlow(network, mask)]
  return [
      dlvm.layers.DiscreteBipartiteFlow(
          network, mask, options.gradient, options.temperature, seed
      )
  ]


def _causal_network(num_outputs, options, seed):
  layers = dlvm.layers
  match options.causal_network:
    case 'table':
      return layers.ContextTable(num_outputs, stddev=_STDDEV, seed=seed)
    case 'made':
      return layers.MADE(num_outputs, [options.units] * 2, seed=seed)
    case 'lstm':
      return layers.CausalLSTM(num_outputs, [options.units], seed=seed)
    case 'convolution':
      return layers.CausalConvolution(
          num_outputs, options.units, _DILATIONS, seed=seed
      )
    case 'transformer':
      return layers.CausalTransformer(
          num_outputs, *_TRANSFORMER, options.units, seed=seed
      )


def _bipartite_network(num_outputs, length, mask, options, seed):
  match options.bipartite_network:
    case 'table':
      return dlvm.layers.BipartiteContextTable(num_outputs, mask, _STDDEV, seed)
    case 'dense':
      initializers = (
          keras.initializers.GlorotUniform(seed + offset) for offset in range(2)
      )
      return keras.Sequential(
          [
              keras.layers.Flatten(),
              keras.layers.Dense(
                  options.units, 'relu', True, next(initializers)
              ),
              keras.layers.Dense(
                  length * num_outputs, None, True, next(initializers)
              ),
              keras.layers.Reshape([length, num_outputs]),
          ]
      )
    case 'convolution':
      return BothWays(
          *(
              dlvm.layers.CausalConvolution(
                  num_outputs, options.units, _DILATIONS, seed=seed + offset
              )
              for offset in range(2)
          )
      )
    case 'transformer':
      return dlvm.layers.BidirectionalTransformer(
          num_outputs, *_TRANSFORMER, options.units, seed=seed
      )


def _num_outputs(num_classes, options):
  return num_classes * (1 + options.with_scale)


@keras.saving.register_keras_serializable(package='experiments')
class BothWays(keras.layers.Layer):
  """Adds what one network sees before a position to what another does after.

  Args:
    before: Causal Keras layer, as `layers.CausalConvolution`.
    after: Another of as many outputs, which gets the positions from right to
      left.
    **kwargs: Arguments of `keras.layers.Layer`.
  """

  def __init__(
      self, before: keras.layers.Layer, after: keras.layers.Layer, **kwargs
  ):
    super().__init__(**kwargs)
    self._before, self._after = before, after
    self._anti_causal = dlvm.layers.AntiCausal(after)

  def build(self, inputs_shape, context_shape=None):
    for network in (self._before, self._anti_causal):
      if not network.built:  # One from a file is.
        network.build(inputs_shape, context_shape)

  def call(self, inputs, context=None):
    kwargs = {} if context is None else {'context': context}
    return self._before(inputs, **kwargs) + self._anti_causal(inputs, **kwargs)

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    return {
        **super().get_config(),
        'before': serialize(self._before),
        'after': serialize(self._after),
    }

  @classmethod
  def from_config(cls, config):
    deserialize = keras.saving.deserialize_keras_object
    networks = {key: deserialize(config[key]) for key in ('before', 'after')}
    return cls(**{**config, **networks})
