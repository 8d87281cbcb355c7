"""BUILD names every Python file once and states its imports as deps."""

import ast
import collections
from typing import NamedTuple

from absl.testing import absltest
from absl.testing import parameterized

from tests.project import source_tree


class _Target(NamedTuple):
  """A `py_*` rule of BUILD."""

  rule: str
  name: str
  srcs: tuple[str, ...]
  deps: tuple[str, ...] = ()

  def __str__(self):
    """Renders the rule as buildifier formats it."""
    lines = [f'{self.rule}(', f'    name = "{self.name}",']
    for key, values in (('srcs', self.srcs), ('deps', self.deps)):
      quoted = [f'"{value}"' for value in sorted(values)]
      if len(quoted) > 1:
        lines += [
            f'    {key} = [',
            *(f'        {q},' for q in quoted),
            '    ],',
        ]
      elif quoted:
        lines.append(f'    {key} = [{quoted[0]}],')
    return '\n'.join([*lines, ')'])


def _read_targets():
  """Reads the rules of BUILD: Starlark's calls are Python's."""
  targets = []
  for statement in source_tree.parse('BUILD').body:
    match statement:
      case ast.Expr(ast.Call(ast.Name(rule), _, keywords)) if rule.startswith(
          'py_'
      ):
        arguments = {k.arg: ast.literal_eval(k.value) for k in keywords}
        targets.append(
            _Target(
                rule,
                arguments['name'],
                tuple(arguments['srcs']),
                tuple(arguments.get('deps', ())),
            )
        )
  return targets


def _right_target(path):
  """Returns the rule and name of the target that the file belongs to.

  A test and an experiment are targets of their own; all else of a folder is its
  library. The name is the path of the file, without `.py`, or of the folder.
  """
  if path.endswith('_test.py'):
    return 'py_test', path.removesuffix('.py')
  if path.startswith('experiments/') and _has_main(path):
    return 'py_binary', path.removesuffix('.py')
  return 'py_library', source_tree.folder_of(path)


def _has_main(path):
  return any(
      isinstance(node, ast.If)
      and ast.unparse(node.test) == "__name__ == '__main__'"
      for node in source_tree.parse(path).body
  )


def _right_targets():
  """Builds the targets that the files and their imports ask for, by name."""
  srcs = collections.defaultdict(list)
  for path in source_tree.python_files():
    srcs[_right_target(path)].append(path)
  targets = {}
  for (rule, name), paths in srcs.items():
    deps = set()
    for path in paths:
      for imported in source_tree.imported_names(source_tree.parse(path)):
        file = source_tree.file_of(imported)
        if file is not None:
          deps.add(':' + _right_target(file)[1])
    deps.discard(f':{name}')
    targets[name] = _Target(rule, name, tuple(paths), tuple(sorted(deps)))
  return targets


class BuildTest(parameterized.TestCase):

  def test_every_file_is_in_exactly_one_target(self):
    counts = collections.Counter(
        path for target in _read_targets() for path in target.srcs
    )
    files = source_tree.python_files()
    right = _right_targets()
    for path in files:
      self.assertEqual(
          counts[path],
          1,
          f'Expected {path} in one target of BUILD; found it in'
          f' {counts[path]}. It belongs to:\n\n'
          f'{right[_right_target(path)[1]]}\n',
      )
    self.assertEmpty(
        sorted(set(counts) - set(files)), 'BUILD names files that do not exist.'
    )

  def test_every_target_is_as_its_files_ask(self):
    right = _right_targets()
    for target in _read_targets():
      self.assertIn(
          target.name, right, 'No file asks for this target of BUILD.'
      )
      self.assertEqual(
          str(target),
          str(right[target.name]),
          f'Expected in BUILD:\n\n{right[target.name]}\n',
      )

  def test_every_test_runs_by_itself(self):
    # `py_test` runs the file; without a main it would pass whatever is in it.
    for target in _read_targets():
      if target.rule == 'py_test':
        self.assertTrue(_has_main(target.srcs[0]), target.srcs[0])

  def test_no_dep_goes_against_the_order(self):
    targets = {target.name: target for target in _read_targets()}
    for target in targets.values():
      for dep in target.deps:
        self.assertTrue(
            source_tree.goes_down(
                target.srcs[0], targets[dep.removeprefix(':')].srcs[0]
            ),
            f'{target.name} may not depend on {dep}.',
        )

  def test_targets_stand_in_the_order_of_their_deps(self):
    seen = set()
    for target in _read_targets():
      self.assertContainsSubset(
          target.deps, seen, f'{target.name} stands before one of its deps.'
      )
      seen.add(f':{target.name}')


if __name__ == '__main__':
  absltest.main()
