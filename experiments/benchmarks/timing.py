"""Times alternatives in turn, so that a noisy machine treats them alike."""

from collections.abc import Callable
import platform
import time
from typing import NamedTuple

import numpy as np
import rich
from rich import markup
from rich import table as rich_table


class Timing(NamedTuple):
  """Milliseconds, if not said otherwise: median over rounds, least and most."""

  median: float
  least: float
  most: float


def time_in_turn(
    alternatives: dict[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    repeats: int,
) -> dict[str, Timing]:
  """Times functions round by round, each for a while in every round.

  Args:
    alternatives: Names to functions; each must wait for its result.
    rounds: Number of rounds.
    seconds: How long each function runs in a round, at least once.
    repeats: How often a function does in one call what is to be timed.

  Returns:
    Names to timings of one repeat.
  """
  calls = {}
  for name, function in alternatives.items():
    function()  # Traces and compiles.
    begin = time.perf_counter()
    function()
    once = time.perf_counter() - begin
    calls[name] = max(1, round(seconds / once))
  results: dict[str, list[float]] = {name: [] for name in alternatives}
  for _ in range(rounds):
    for name, function in alternatives.items():
      begin = time.perf_counter()
      for _ in range(calls[name]):
        function()
      elapsed = time.perf_counter() - begin
      results[name].append(1e3 * elapsed / calls[name] / repeats)
  return {
      name: Timing(float(np.median(ms)), min(ms), max(ms))
      for name, ms in results.items()
  }


def log_slope(values: dict[int, float]) -> float:
  """Returns the least-squares slope of log values on log keys."""
  return float(np.polyfit(np.log([*values]), np.log([*values.values()]), 1)[0])


def print_table(
    title: str,
    timings: dict[str, dict[str, Timing | str]],
    baseline: str,
    unit: str = 'ms',
) -> None:
  """Prints timings, and the ratio of each median to that of a baseline.

  Args:
    title: Title of the table.
    timings: Rows, names to the timings of each alternative, or to the reason
      why it has none.
    baseline: Name of the alternative that the ratios are relative to.
    unit: Unit of the timings.
  """
  table = rich_table.Table(
      title=f'{title}\n{unit}: median (least to most) over rounds, and the '
      f'ratio to {baseline!r}; {platform.processor() or platform.machine()}',
      title_justify='left',
  )
  for column in ('case', 'alternative', unit, 'ratio'):
    table.add_column(column, justify='left' if column != 'ratio' else 'right')
  for case, alternatives in timings.items():
    for name, timing in alternatives.items():
      if isinstance(timing, str):
        table.add_row(case, name, markup.escape(timing), '')
        continue
      ratio = timing.median / alternatives[baseline].median
      table.add_row(
          case,
          name,
          '{:.4g} ({:.4g} to {:.4g})'.format(*timing),
          f'{ratio:.2f}',
      )
    table.add_section()
  rich.print(table)
