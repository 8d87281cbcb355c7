"""Consoles for what binaries print."""

import pathlib

import rich.console

# As of the widest table. Into 80 columns, those of a log file, its numbers
# would not fit.
_LEAST_WIDTH = 180


def print_wrote(output_dir: pathlib.Path) -> None:
  """Says where the files of a run are, whatever brackets the name has.

  Args:
    output_dir: Their directory.
  """
  rich.console.Console().print(
      f'Wrote {output_dir}', markup=False, highlight=False
  )


def wide() -> rich.console.Console:
  """Makes a console in which no table has its numbers folded or cut.

  Returns:
    One as wide as the terminal, or as the widest table if that is more.
  """
  return rich.console.Console(
      width=max(_LEAST_WIDTH, rich.console.Console().width)
  )
