"""What every report of `evaluate` has: figures and panels."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from matplotlib import axes as axes_lib

Panel = Callable[[axes_lib.Axes], None]


class Report(NamedTuple):
  """What `evaluate` prints, writes and draws of a model.

  Attributes:
    parts: JSON-serialisable, what evaluation.json holds; the scalars of a part
      that is a dict are printed, each beside its '..._stderr'.
    panels: What the page shows beside them, each drawn by a function of the
      axes.
  """

  parts: Mapping[str, Any]
  panels: Sequence[Panel]


def rows(report: Report) -> list[tuple[str, str, str, str]]:
  """Lists the scalars of a report.

  Args:
    report: The report.

  Returns:
    Of each the part, the name, the value and the standard error.

  Example:
    >>> rows(Report({'bounds': {'elbo': -1.25, 'elbo_stderr': .5}}, []))
    [('bounds', 'elbo', '-1.25', '0.5')]
  """
  found = []
  for part, values in report.parts.items():
    if not isinstance(values, Mapping):
      continue
    for name, value in values.items():
      if not name.endswith('_stderr'):
        error = values.get(f'{name}_stderr')
        found.append(
            (
                part,
                name,
                f'{value:.4g}',
                '' if error is None else f'{error:.2g}',
            )
        )
  return found
