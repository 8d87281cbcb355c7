"""The documentation that ships with Python: English text, without a network."""

import ast
from collections.abc import Iterator
from collections.abc import Mapping
import functools
import gc
import hashlib
import pathlib
import pydoc_data.topics
import re
import sys
import sysconfig

# What distributions of Python leave out or package apart, and generated tables.
_SKIPPED_MODULES = frozenset(
    (
        'distutils',
        'encodings',
        'ensurepip',
        'idlelib',
        'lib2to3',
        'msilib',
        'pydoc_data',
        'tkinter',
        'turtle',
        'turtledemo',
        'venv',
    )
)
_SKIPPED_FOLDERS = frozenset(('macholib', 'test', 'tests'))


@functools.cache  # It parses for seconds.
def of_python() -> str:
  """Returns `collect` of the Python that runs, about 1.4 million characters.

  It is the same on every machine of one release of Python whose sources are as
  released, and slightly another on the next.

  Example:
    >>> words = of_python().split()
    >>> words.count('iterable') > 100
    True
  """
  library = pathlib.Path(sysconfig.get_path('stdlib'))
  return collect(library, pydoc_data.topics.topics)


def collect(library: pathlib.Path, topics: Mapping[str, str]) -> str:
  """Collects the docstrings of the standard library and the topics of `pydoc`.

  They are folded as the text of text8, but for digits, which are dropped and
  not spelt out. Topics and files come in an order without meaning, so that the
  parts of a split are alike. Each paragraph comes once, for topics contain each
  other and modules repeat docstrings, and a test must not be in what was
  trained on.

  Args:
    library: Folder of the standard library. A module that is not there as
      source is passed over.
    topics: Name to text, as `pydoc_data.topics.topics`, chapters of the
      language reference.

  Returns:
    Words of a-z, a space between two.
  """
  documents = {f'topic {name}': [topic] for name, topic in topics.items()}
  # A syntax tree is millions of objects and no garbage, half of the time.
  collects_garbage = gc.isenabled()
  gc.disable()
  try:
    for path in _source_files(library):
      name = path.relative_to(library).as_posix()
      documents[name] = list(_docstrings(ast.parse(path.read_bytes())))
  finally:
    if collects_garbage:
      gc.enable()
  # Hashes of names, so that the next release keeps the order.
  names = sorted(
      documents, key=lambda name: hashlib.sha256(name.encode()).digest()
  )
  # A dict keeps the order, as a set would not.
  paragraphs = dict.fromkeys(
      ' '.join(re.findall('[a-z]+', paragraph.lower()))
      for name in names
      for document in documents[name]
      for paragraph in re.split(r'\n\s*\n', document)
  )
  return ' '.join(filter(None, paragraphs))


def _source_files(library: pathlib.Path) -> Iterator[pathlib.Path]:
  # The names are those of all platforms, whatever is installed here.
  for name in sorted(sys.stdlib_module_names - _SKIPPED_MODULES):
    module = library / f'{name}.py'
    if module.is_file():
      yield module
    for path in sorted((library / name).rglob('*.py')):
      if _SKIPPED_FOLDERS.isdisjoint(path.relative_to(library).parts):
        yield path


def _docstrings(node: ast.AST) -> Iterator[str]:
  if isinstance(
      node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
  ):
    docstring = ast.get_docstring(node, clean=False)
    if docstring:
      yield docstring
    for child in node.body:
      yield from _docstrings(child)
