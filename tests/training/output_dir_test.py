import json
import pathlib

import numpy as np
import tensorflow as tf

from discrete_lvm import training


class ClaimOutputDirTest(tf.test.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir()) / 'a' / 'b'

  def test_writes_the_config_and_accepts_it_again(self):
    config = {'seed': 1, 'shape': (2, 3), 'rate': float('nan'), 'name': None}
    training.claim_output_dir(self._dir, config)
    training.claim_output_dir(self._dir, config)
    written = json.loads((self._dir / 'config.json').read_text())
    self.assertEqual(written['shape'], [2, 3])
    # Nothing of the atomic write is left.
    self.assertLen(list(self._dir.iterdir()), 1)

  def test_another_config(self):
    training.claim_output_dir(self._dir, {'seed': 1, 'lr': 0.1, 'old': True})
    before = (self._dir / 'config.json').read_text()
    with self.assertRaisesRegex(
        ValueError,
        r'lr: expected 0\.1, received 0\.2; new: expected \(absent\), received '
        r'"x"; old: expected true, received \(absent\)\.$',
    ):
      training.claim_output_dir(self._dir, {'seed': 1, 'lr': 0.2, 'new': 'x'})
    self.assertEqual((self._dir / 'config.json').read_text(), before)

  def test_unwritable(self):
    self._dir.parent.mkdir()
    self._dir.write_text('a file')
    with self.assertRaisesRegex(ValueError, 'can be written; received .*a/b'):
      training.claim_output_dir(self._dir, {})

  def test_unreadable_config(self):
    self._dir.mkdir(parents=True)
    (self._dir / 'config.json').write_text('{"seed": ')
    with self.assertRaisesRegex(ValueError, 'Expected a JSON object in'):
      training.claim_output_dir(self._dir, {'seed': 1})

  def test_value_that_json_cannot_hold(self):
    with self.assertRaisesRegex(ValueError, "for 'shift'; received array"):
      training.claim_output_dir(self._dir, {'shift': np.zeros(2)})
    self.assertFalse(self._dir.exists())


if __name__ == '__main__':
  tf.test.main()
