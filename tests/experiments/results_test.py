import math
import pathlib

from absl.testing import absltest
import tensorflow as tf

from experiments import results


class ResultsTest(tf.test.TestCase):

  def test_found_by_their_key(self):
    output_dir = pathlib.Path(self.get_temp_dir())
    key = {'step': 4, 'num_samples': 10}
    self.assertIsNone(results.read(output_dir, key))
    written = {**key, 'nats': 0.5}
    results.write(output_dir, written)
    self.assertEqual(results.read(output_dir, key), written)
    self.assertIsNone(results.read(output_dir, {**key, 'step': 5}))
    results.write(output_dir, {**written, 'step': 5})
    self.assertIsNone(results.read(output_dir, key))
    self.assertLen(list(output_dir.iterdir()), 1)

  def test_others_are_dropped(self):
    output_dir = pathlib.Path(self.get_temp_dir()) / 'dropped'
    output_dir.mkdir()
    results.drop_others(output_dir, {'step': 4})  # There are none.
    written = {'step': 4, 'nats': 0.5}
    results.write(output_dir, written)
    results.drop_others(output_dir, {'step': 4})
    self.assertEqual(results.read(output_dir, {}), written)
    results.drop_others(output_dir, {'step': 5})
    self.assertIsNone(results.read(output_dir, {}))

  def test_metrics_that_are_no_numbers_are_nan(self):
    output_dir = pathlib.Path(self.get_temp_dir()) / 'metrics'
    output_dir.mkdir()
    self.assertEmpty(results.read_metrics(output_dir))
    (output_dir / 'metrics.jsonl').write_text(
        '{"step": 1, "loss": null}\n{"step": 2, "loss": 3.0}\n'
    )
    first, last = results.read_metrics(output_dir)
    self.assertTrue(math.isnan(first['loss']))
    self.assertEqual(last, {'step': 2, 'loss': 3.0})

  def test_a_damaged_file_is_named(self):
    output_dir = pathlib.Path(self.get_temp_dir()) / 'damaged'
    output_dir.mkdir()
    for text, message in (('{"step": ', 'something else'), ('[1]', r'\[1\]')):
      (output_dir / 'results.json').write_text(text)
      with self.assertRaisesRegex(ValueError, f'results.json.*{message}'):
        results.read(output_dir, {})


if __name__ == '__main__':
  absltest.main()
