import gzip
import hashlib
import json
import pathlib

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import text


class LoadTest(tf.test.TestCase, parameterized.TestCase):

  def _write(self, contents):
    path = pathlib.Path(self.get_temp_dir()) / 'some.text8'
    path.write_bytes(contents)
    return path

  @parameterized.parameters(bytes, gzip.compress)
  def test_splits_a_file_in_order(self, pack):
    # 47 // 20 characters are for validation and as many for the test.
    contents = ' the quick brown fox jumps over the lazy dog az'
    path = self._write(pack(contents.encode()))
    for loaded in (text.load(path), text.load(str(path))):
      parts = [text.decode(part) for part in loaded[:3]]
      self.assertEqual(parts, [contents[:-4], 'g ', 'az'])
      self.assertEqual(loaded.train.dtype, np.uint8)
      self.assertAllEqual(loaded.train[:4], [0, 20, 8, 5])
      self.assertAllEqual(loaded.test, [1, 26])
      self.assertEqual(loaded.num_classes, 27)
      description = json.loads(json.dumps(loaded.description))
      self.assertEqual(description['source'], 'some.text8')
      self.assertEqual(
          description['sizes'], {'train': 43, 'validation': 2, 'test': 2}
      )
      self.assertEqual(
          description['sha256']['test'],
          hashlib.sha256(bytes([1, 26])).hexdigest(),
      )

  def test_default_text_is_there(self):
    loaded = text.load()
    self.assertEqual(set(loaded.train), set(range(27)))
    self.assertGreater(loaded.description['sizes']['train'], 900_000)
    self.assertRegex(
        loaded.description['source'], r'^documentation of Python 3\.\d+\.\d+'
    )
    self.assertEqual(text.load().description, loaded.description)

  @parameterized.parameters(
      (b'', 'at least 20 characters .* received 0 from some.text8'),
      (b'a' * 19, 'received 19 from'),
      (b'a' * 30 + b'\n', r"received b'\\n' at offset 30 of some.text8"),
      (b'a b Cd 7', "received b'C' at offset 4"),
      ('caf\u00e9'.encode(), r"received b'\\xc3' at offset 3"),
      (gzip.compress(b'a' * 999)[:-9], 'whole gzip file; received some.text8'),
      (b'\x1f\x8b' + b'a' * 50, 'whole gzip file'),
      (gzip.compress(b'a' * 30 + b'!'), r"received b'!' at offset 30"),
  )
  def test_refuses_another_format(self, contents, message):
    with self.assertRaisesRegex(ValueError, message) as raised:
      text.load(self._write(contents))
    self.assertNotIn('\n', str(raised.exception))

  def test_missing_file(self):
    with self.assertRaisesRegex(FileNotFoundError, 'nowhere'):
      text.load('nowhere')


class DecodeTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(np.uint8, np.int32)
  def test_writes_every_code(self, dtype):
    codes = np.arange(27, dtype=dtype)
    self.assertEqual(text.decode(codes), ' abcdefghijklmnopqrstuvwxyz')
    self.assertEqual(text.decode(tf.constant(codes)), text.CHARACTERS)
    self.assertEqual(text.decode(codes[:0]), '')

  @parameterized.parameters(
      ([1, 27], 'from 0 to 26; received 1 to 27'),
      ([0, -1], 'received -1 to 0'),
      ([[1]], r'vector of integer codes; received int64 of shape \(1, 1\)'),
      ([1.0], 'received float64'),
  )
  def test_refuses_what_is_no_code(self, codes, message):
    with self.assertRaisesRegex(ValueError, message):
      text.decode(codes)


class WindowsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters((1, 7), (3, 2), (7, 1))
  def test_are_consecutive(self, length, num_examples):
    codes = np.arange(7, dtype=np.uint8)
    found = text.windows(codes, length)
    self.assertEqual(found.dtype, np.int32)
    self.assertEqual(found.shape, (num_examples, length))
    self.assertAllEqual(found.reshape(-1), codes[: num_examples * length])

  @parameterized.parameters(0, 8)
  def test_bad_length(self, length):
    codes = np.zeros(7, np.uint8)
    for make in (
        text.windows,
        lambda *args: text.random_windows(*args, batch_size=2, seed=0),
    ):
      with self.assertRaisesRegex(ValueError, f', 7; received {length}'):
        make(codes, length)


class RandomWindowsTest(tf.test.TestCase, parameterized.TestCase):

  # The whole text is the one example of its length.
  @parameterized.parameters((1, 9), (4, 6), (9, 1))
  def test_begin_anywhere_in_the_text(self, length, num_starts):
    codes = np.arange(9, dtype=np.uint8)
    batches = text.random_windows(codes, length, batch_size=200, seed=0)
    batch = next(iter(batches(0)))
    self.assertEqual(batch.dtype, tf.int32)
    self.assertAllEqual(batch, batch[:, :1] + tf.range(length, dtype=tf.int32))
    # One start is missed by 200 draws with probability 5e-10.
    self.assertEqual(set(batch[:, 0].numpy()), set(range(num_starts)))

  def test_resume_exactly(self):
    codes = np.arange(100, dtype=np.uint8)

    def take(start_step, num_batches, seed=0):
      batches = text.random_windows(codes, length=5, batch_size=3, seed=seed)
      dataset = batches(start_step).take(num_batches)
      return [batch.numpy() for batch in dataset]

    run = take(0, 6)
    self.assertAllEqual(take(4, 2), run[4:])
    self.assertNotAllEqual(take(0, 6, seed=1), run)
    self.assertLen({batch.tobytes() for batch in run}, 6)


if __name__ == '__main__':
  absltest.main()
