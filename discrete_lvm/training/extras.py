"""Optional packages, which are imported where they are first used."""

import importlib.util


def require_extra(package: str) -> None:
  """Checks that an optional package is there, before a run depends on it.

  Args:
    package: Name of the package, one of the extra `experiments`.

  Raises:
    ValueError: If it is not installed.
  """
  if importlib.util.find_spec(package) is None:
    raise ValueError(
        f'Expected the package {package!r} to be installed; received none. '
        'Run `pip install discrete_lvm[experiments]`.'
    )
