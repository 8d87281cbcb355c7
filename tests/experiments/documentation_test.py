import pathlib

from absl.testing import absltest
import tensorflow as tf

from experiments import documentation

_MODULE = '''"""First.

Shared paragraph.
"""

TEXT = """No docstring."""


class A:
  """It isn't B2B."""

  async def f(self):
    r"""Returns `\\d`."""

    def g():
      """Within."""
'''


class CollectTest(tf.test.TestCase):

  def _library(self, files):
    # A folder of this name above the library is no folder of tests.
    library = pathlib.Path(self.get_temp_dir()) / 'tests'
    for name, source in files.items():
      path = library / name
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_text(source)
    return library

  def test_takes_each_paragraph_of_docstrings_and_topics_once(self):
    library = self._library({'os.py': _MODULE, 'json/tool.py': '"Tool."'})
    found = documentation.collect(
        library, {'a': 'Shared\n  PARAGRAPH!\n \n4 topics', 'b': '12'}
    )
    paragraphs = (
        'first',
        'shared paragraph',
        'it isn t b b',
        'returns d',
        'within',
        'tool',
        'topics',
    )
    self.assertCountEqual(found.split(), ' '.join(paragraphs).split())
    for paragraph in paragraphs:
      self.assertIn(f' {paragraph} ', f' {found} ')

  def test_skips_what_is_not_everywhere(self):
    library = self._library(
        {
            'json/tests/x.py': '"Test."',
            'tkinter/x.py': '"Apart."',
            'site-packages/x.py': '"Installed."',
            'json/x.txt': 'no source',
        }
    )
    self.assertEqual(documentation.collect(library, {}), '')

  def test_order_is_that_of_names_not_of_topics(self):
    topics = {name: name * 3 for name in 'abcdef'}
    library = self._library({'os.py': '"Os."'})
    first = documentation.collect(library, topics)
    backwards = dict(reversed(topics.items()))
    self.assertEqual(documentation.collect(library, backwards), first)
    # Without meaning, so not alphabetical.
    found = [word for word in first.split() if word in topics.values()]
    self.assertNotEqual(found, sorted(found))
    # A new name moves no other.
    more = documentation.collect(library, {**topics, 'g': 'ggg'})
    self.assertEqual(more.replace('ggg', '').split(), first.split())


class OfPythonTest(tf.test.TestCase):

  def test_is_long_english_without_the_test_in_the_training_text(self):
    found = documentation.of_python()
    self.assertGreater(len(found), 1_000_000)
    words = found.split()
    self.assertEqual(' '.join(words), found)
    self.assertBetween(words.count('the') / len(words), 0.04, 0.09)
    begin = len(found) // 20 * 19
    train, test = found[:begin], found[begin:]
    starts = range(0, len(test) - 100, 100)
    seen = sum(test[start : start + 100] in train for start in starts)
    self.assertLess(seen / len(starts), 0.03)


if __name__ == '__main__':
  absltest.main()
