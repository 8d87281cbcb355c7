"""The public surface: a golden list, each name documented."""

import inspect
import pathlib
import types

from absl.testing import absltest
from absl.testing import parameterized

import discrete_lvm as dlvm
from tests.project import source_tree

_GOLDEN = pathlib.Path(__file__).with_name('public_names.txt')

# The folders whose public signatures have type hints.
_TYPED = ('ops', 'estimators', 'objectives', 'models', 'training')


def _modules():
  """Yields the public modules by name: the package and its subpackages."""
  yield 'discrete_lvm', dlvm
  for name in dlvm.__all__:
    value = getattr(dlvm, name)
    if isinstance(value, types.ModuleType):
      yield f'discrete_lvm.{name}', value


def _public_names():
  return [
      f'{path}.{name}' for path, module in _modules() for name in module.__all__
  ]


def _documented_names():
  """Lists the functions and classes; constants have no docstring of theirs."""
  return [
      (f'{path}.{name}', getattr(module, name))
      for path, module in _modules()
      for name in module.__all__
      if callable(getattr(module, name))
  ]


def _typed_functions():
  """Yields the functions, constructors and own methods that need type hints."""
  for folder in _TYPED:
    module = getattr(dlvm, folder)
    for name in module.__all__:
      value = getattr(module, name)
      if inspect.isfunction(value):
        yield f'{folder}.{name}', value
      elif inspect.isclass(value):
        # A method without a docstring overrides one that Keras describes.
        for key, member in vars(value).items():
          if inspect.isfunction(member) and (
              key == '__init__' or (key[0] != '_' and member.__doc__)
          ):
            yield f'{folder}.{name}.{key}', member


def _untyped_arguments(function):
  signature = inspect.signature(function)
  untyped = [
      name
      for name, parameter in signature.parameters.items()
      if parameter.annotation is parameter.empty
      and parameter.kind
      not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
      and name != 'self'
  ]
  constructs = function.__name__ == '__init__'
  if signature.return_annotation is signature.empty and not constructs:
    untyped.append('return')
  return untyped


def _lines(names):
  return '\n'.join(sorted(names))


class PublicNamesTest(parameterized.TestCase):

  def test_names_are_those_of_the_golden_list(self):
    golden, names = set(_GOLDEN.read_text().split()), set(_public_names())
    self.assertEmpty(
        names - golden,
        'New public names; each needs a line in tests/project/public_names.txt'
        f' and in CHANGELOG.md:\n{_lines(names - golden)}',
    )
    self.assertEmpty(
        golden - names,
        'Names of tests/project/public_names.txt that are gone; CHANGELOG.md'
        f' should say so:\n{_lines(golden - names)}',
    )

  def test_golden_list_is_sorted(self):
    lines = _GOLDEN.read_text().splitlines()
    self.assertSequenceEqual(lines, sorted(set(lines)))

  def test_changelog_tells_of_every_name(self):
    changelog = (source_tree.ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    for name in _public_names():
      self.assertIn(f"`{name.rpartition('.')[2]}`", changelog)

  @parameterized.named_parameters(*_modules())
  def test_all_is_sorted_and_complete(self, module):
    self.assertSequenceEqual(module.__all__, sorted(set(module.__all__)))
    private = [
        name
        for name, value in vars(module).items()
        if not name.startswith('_')
        and name not in module.__all__
        and not isinstance(value, types.ModuleType)
    ]
    self.assertEmpty(private, 'Imported by the package but not in __all__.')

  @parameterized.named_parameters(*_documented_names())
  def test_docstring_has_an_example(self, value):
    # Not `inspect.getdoc`, which would show that of a base class.
    self.assertIsNotNone(value.__doc__)
    # Of an abstract class there is nothing to show but its subclasses.
    if not inspect.isabstract(value):
      self.assertRegex(value.__doc__, r'\n\n *Example:\n +>>> ')

  @parameterized.named_parameters(*_typed_functions())
  def test_signature_has_type_hints(self, function):
    self.assertEmpty(_untyped_arguments(function))


if __name__ == '__main__':
  absltest.main()
