"""The known laws of the data of discrete flows, as config.json names them."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from experiments import addition
from experiments import full_rank
from experiments import potts
from experiments import quantized_mixture

TRUTHS: Mapping[str, Callable[..., Any]] = {
    'addition': addition.Addition,
    'full_rank': full_rank.full_rank,
    'potts': potts.Potts,
    'quantized_mixture': quantized_mixture.quantized_mixture,
}


def build(description: Mapping[str, Any]) -> Any:
  """Builds the law of the data of a run.

  Args:
    description: 'name', a key of `TRUTHS`, and the arguments of that law.

  Returns:
    It has `length`, `num_classes`, `sample`, `entropy()` and
    `factorized_entropy()`.

  Raises:
    ValueError: If there is no such name, or the law raises.

  Example:
    >>> build({'name': 'addition', 'length': 3}).length
    3
  """
  arguments = dict(description)
  name = arguments.pop('name', None)
  if name not in TRUTHS:
    raise ValueError(
        f'Expected the name of a law, {", ".join(TRUTHS)}; received {name!r}.'
    )
  return TRUTHS[name](**arguments)
