"""The metadata of the package: the version, and a reason beside each pin."""

import re

from absl.testing import absltest

import discrete_lvm as dlvm
from tests.project import source_tree


def _pins_without_reason(lines):
  """Lists the pinned requirements that no comment stands right above."""
  return [
      line.strip()
      for before, line in zip([''] + lines, lines, strict=False)
      if re.match(r"\s+'[\w-]+[<>=~!]=?", line)
      and not before.strip().startswith('#')
  ]


class SetupTest(absltest.TestCase):

  def test_version_has_an_entry_in_the_changelog(self):
    changelog = (source_tree.ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    self.assertRegex(changelog, rf'(?m)^## .*{re.escape(dlvm.__version__)}\b')

  def test_each_pin_has_its_reason_above_it(self):
    lines = (source_tree.ROOT / 'setup.py').read_text().splitlines()
    self.assertEmpty(_pins_without_reason(lines))

  def test_sees_a_pin_without_a_reason(self):
    lines = ['    # Why.', "    'a>=1',", "    'b==2',", "    'c',"]
    self.assertSequenceEqual(_pins_without_reason(lines), ["'b==2',"])


if __name__ == '__main__':
  absltest.main()
