"""The Python files of the checkout and what they import, read with `ast`."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[2]

# An import may only go down, to a later row, or stay inside its folder. The
# folders of one row are siblings and never import each other.
ORDER = (
    ('tests',),
    ('experiments',),
    ('discrete_lvm',),
    ('discrete_lvm/training',),
    ('discrete_lvm/models',),
    (
        'discrete_lvm/bijectors',
        'discrete_lvm/distributions',
        'discrete_lvm/estimators',
        'discrete_lvm/layers',
        'discrete_lvm/metrics',
        'discrete_lvm/objectives',
    ),
    ('discrete_lvm/ops',),
    # A file, which imports nothing.
    ('discrete_lvm/version',),
)
_RANKS = {folder: rank for rank, row in enumerate(ORDER) for folder in row}


def python_files(top='.'):
  """Lists the paths of the Python files below `top`, relative to the root."""
  tops = ('discrete_lvm', 'experiments', 'tests') if top == '.' else (top,)
  return sorted(
      path.relative_to(ROOT).as_posix()
      for folder in tops
      for path in (ROOT / folder).rglob('*.py')
  )


def parse(path):
  """Parses the file at `path`, relative to the root."""
  return ast.parse((ROOT / path).read_text(encoding='utf-8'), filename=path)


def imported_names(tree):
  """Lists the dotted names that a syntax tree imports, in any scope.

  `from a import b` gives `a.b`; a relative import starts with a dot.
  """
  names = []
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      names.extend(alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      module = '.' * node.level + (node.module or '')
      names.extend(f'{module}.{alias.name}' for alias in node.names)
  return names


def file_of(name):
  """Finds the file that defines a dotted name; None if it is not of ours."""
  parts = name.split('.')
  while parts:
    path = '/'.join(parts)
    for candidate in (f'{path}.py', f'{path}/__init__.py'):
      if (ROOT / candidate).is_file():
        return candidate
    parts.pop()
  return None


def folder_of(path):
  """Finds the folder of `ORDER` that a path lies in: the longest that fits."""
  folders = [
      folder
      for folder in _RANKS
      if path.startswith((f'{folder}/', f'{folder}.py'))
  ]
  return max(folders, key=len)


def goes_down(path, other):
  """Tells whether the file at `path` may import the file at `other`."""
  here, there = folder_of(path), folder_of(other)
  return here == there or _RANKS[here] < _RANKS[there]
