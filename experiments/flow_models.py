"""Discrete flows by name: a base, and the flows that move its events."""

from collections.abc import Sequence
import re
from typing import NamedTuple

import keras
import numpy as np

import discrete_lvm as dlvm

SYNTAX = (
    'factorized, autoregressive or the name of a causal network, the base, and'
    ' then any number of +FLOW or +COUNTxFLOW, from the base to the data, with'
    ' FLOW one of autoregressive, bipartite, sorting, autoregressive_sorting,'
    ' behind any that changes it of scaled_, predicted_, forward_, reversed_,'
    ' placed_, multiscale_ and rowsNUMBER_: for instance factorized+4xbipartite'
)
CAUSAL_NETWORKS = ('table', 'made', 'lstm', 'convolution', 'transformer')
BASES = ('factorized', 'autoregressive', *CAUSAL_NETWORKS)
BIPARTITE_NETWORKS = ('table', 'dense', 'convolution', 'transformer')
# Of both kinds, those that take a context for each position.
CONTEXT_NETWORKS = ('lstm', 'convolution', 'transformer')
MASKS = ('all_but_one', 'alternating')
GRADIENTS = ('softmax', 'gumbel', 'reinmax', 'cross_entropy')
# Of tables. Where all classes tie the argmax is the first one, no shift: flows
# begin as the identity. A random shift for each context would first scramble
# what structure the data have.
_STDDEV = 0.0
_DILATIONS = (1, 2, 4, 8)
# Of what multiscale flows tell of each other: further apart, characters of a
# text tell next to nothing, and each layer takes seconds to trace.
_MAX_DISTANCE = 16
# Layers and heads.
_TRANSFORMER = (2, 4)
# What may stand before the name of each kind of flow, each once.
_PREFIXES = {
    'autoregressive': ('scaled', 'predicted', 'forward', 'reversed', 'rows'),
    'autoregressive_sorting': ('placed', 'forward', 'reversed', 'rows'),
    'bipartite': ('scaled', 'predicted', 'multiscale'),
    'sorting': ('placed', 'multiscale'),
}
_FLOW = re.compile(
    r'(?:([1-9]\d*)x)?'
    r'(((?:(?:scaled|predicted|forward|reversed|placed|multiscale'
    r'|rows[1-9]\d*)_)*)'
    r'(autoregressive_sorting|autoregressive|bipartite|sorting))'
)
_ROWS = re.compile(r'rows(\d+)_')


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
  flows = []
  for count, flow, prefixes, kind in (match.groups() for match in matches):
    _check_prefixes(name, re.findall('[a-z]+', prefixes), kind)
    flows += [flow] * int(count or 1)
  return base, flows


def networks(
    name: str, causal_network: str, bipartite_network: str
) -> set[str]:
  """Lists the networks of a model.

  Args:
    name: As `SYNTAX` says.
    causal_network: One of `CAUSAL_NETWORKS`.
    bipartite_network: One of `BIPARTITE_NETWORKS`.

  Returns:
    Their names.

  Raises:
    ValueError: As `parse` raises.

  Example:
    >>> sorted(networks('lstm+2xbipartite', 'table', 'dense'))
    ['dense', 'lstm']
  """
  base, flows = parse(name)
  found = {
      causal_network if 'autoregressive' in flow else bipartite_network
      for flow in flows
  }
  if base != 'factorized':
    found.add(causal_network if base == 'autoregressive' else base)
  return found


def _check_prefixes(name, prefixes, kind):
  """Checks that each of what stands before a flow changes it."""
  is_both = {'forward', 'reversed'} <= {*prefixes}
  is_twice = len({*prefixes}) < len(prefixes)
  if is_both or is_twice or not {*prefixes} <= {*_PREFIXES[kind]}:
    raise ValueError(
        f'Expected a model, {SYNTAX}; received {name!r}, but {kind} takes '
        f'{", ".join(_PREFIXES[kind])}, each once and one direction alone.'
    )


def build_model(
    name: str, length: int, num_classes: int, options: Options, seed: int
) -> dlvm.models.DiscreteFlow:
  """Builds a discrete flow.

  Autoregressive flows go through the positions from right to left and from left
  to right in turn, beginning with the one next to the base, because an
  autoregressive base goes from left to right. What stands before the name of a
  flow changes it:

  - `forward_` and `reversed_` say which way an autoregressive one goes;
  - `scaled_` gives it a scale beside the shift, whatever the options say;
  - `predicted_` makes its shift the class that is predicted, which the gradient
    'cross_entropy' trains, whatever the options say;
  - `placed_` lets a sorting one move positions by how sure predictions are;
  - `multiscale_` makes of a bipartite or sorting one a flow for each power of
    two below the length and 16: positions of that distance, every other one
    given the rest, those of the greatest distance next to the base;
  - `rowsNUMBER_` cuts the positions in as many parts, each of which an
    autoregressive one changes by itself, all at once.

  Args:
    name: As `SYNTAX` says.
    length: Number of positions.
    num_classes: Number of classes `K`.
    options: `Options`.
    seed: Python `int`, seed of the initial weights.

  Returns:
    The model, not built yet.

  Raises:
    ValueError: As `parse` raises; if the parts of `rowsNUMBER_` are not of one
      length; or if a predicted flow is to scale.
  """
  base_name, flow_names = parse(name)
  base = None
  if base_name != 'factorized':
    base_options = options
    if base_name != 'autoregressive':
      base_options = options._replace(causal_network=base_name)
    base = _causal_network(num_classes, base_options, seed)
  flows: list[keras.layers.Layer] = []
  for i, kind in enumerate(flow_names):
    index = flow_names[:i].count(kind)
    make = _autoregressive if 'autoregressive' in kind else _bipartite
    if 'multiscale_' in kind:
      make = _multiscale
    shape = (length, num_classes)
    # From data to base is how the model lists them.
    flows = [*make(kind, index, shape, options, seed + i + 1), *flows]
  return dlvm.models.DiscreteFlow(flows, length, num_classes, base)


def temperatures(model: dlvm.models.DiscreteFlow) -> Sequence[keras.Variable]:
  """Lists the temperatures of a model's flows."""
  flows = [getattr(flow, 'flow', flow) for flow in model.flows]
  return [f.temperature for f in flows if hasattr(f, 'temperature')]


def _autoregressive(kind, index, shape, options, seed):
  length, num_classes = shape
  if kind.endswith('sorting'):
    flow = dlvm.layers.DiscreteAutoregressiveSortingFlow(
        _causal_network(num_classes, options, seed), 'placed_' in kind
    )
  else:
    num_outputs = _num_outputs(num_classes, kind, options)
    flow = dlvm.layers.DiscreteAutoregressiveFlow(
        _causal_network(num_outputs, options, seed),
        _gradient(kind, options),
        options.temperature,
        seed,
    )
  rows = _ROWS.search(kind)
  if rows:
    positions = _split_positions(length, int(rows[1]))
    flow = dlvm.layers.SubsequenceFlow(flow, positions)
  if 'forward_' in kind or ('reversed_' not in kind and index % 2):
    return [flow]
  reversals = [dlvm.layers.PermutePositions('reverse') for _ in range(2)]
  return [reversals[0], flow, reversals[1]]


def _split_positions(length, num_rows):
  if length % num_rows:
    raise ValueError(
        f'Expected a number of rows that divides the length, {length}; received'
        f' {num_rows}.'
    )
  return np.arange(length).reshape([num_rows, -1])


def _bipartite(kind, index, shape, options, seed):
  length, _ = shape
  if options.masks == 'all_but_one':
    mask = dlvm.ops.all_but_one_mask(length, index % length)
  else:
    mask = dlvm.ops.alternating_mask(length) ^ bool(index % 2)
  return [_coupling(kind, mask, shape, options, seed)]


def _multiscale(kind, unused_index, shape, options, seed):
  """Returns couplings of neighbours, their distance growing to the base."""
  length, num_classes = shape
  flows = []
  stride = 1
  while stride < min(length, _MAX_DISTANCE):
    positions = np.arange(0, length, stride)
    mask = dlvm.ops.alternating_mask(len(positions))
    shape = (len(positions), num_classes)
    flow = _coupling(kind, mask, shape, options, 100 * seed + len(flows))
    flows.append(dlvm.layers.SubsequenceFlow(flow, positions))
    stride *= 2
  return flows


def _coupling(kind, mask, shape, options, seed):
  length, num_classes = shape
  is_sorting = kind.endswith('sorting')
  num_outputs = (
      num_classes if is_sorting else _num_outputs(num_classes, kind, options)
  )
  network = _bipartite_network(num_outputs, length, mask, options, seed)
  if is_sorting:
    return dlvm.layers.DiscreteSortingFlow(network, mask, 'placed_' in kind)
  return dlvm.layers.DiscreteBipartiteFlow(
      network, mask, _gradient(kind, options), options.temperature, seed
  )


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


def _gradient(kind, options):
  return 'cross_entropy' if 'predicted_' in kind else options.gradient


def _num_outputs(num_classes, kind, options):
  has_scale = options.with_scale or 'scaled_' in kind
  if has_scale and _gradient(kind, options) == 'cross_entropy':
    raise ValueError(
        'Expected a flow of shifts alone, as cross-entropies train it; received'
        f' {kind!r} with a scale.'
    )
  return num_classes * (1 + has_scale)


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
