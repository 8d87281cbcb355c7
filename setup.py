"""Packages discrete_lvm; `pip install -e .[experiments,test,dev]` to develop.

Each range has its reason beside it; what has no range has worked in all
releases that Python 3.11 can install.
"""

import pathlib

import setuptools

_ROOT = pathlib.Path(__file__).parent


def _version():
  namespace = {}
  exec((_ROOT / 'discrete_lvm/version.py').read_text(), namespace)
  return namespace['__version__']


_INSTALL = [
    # Checked on 2.21. A minor release may change the random streams, on which
    # the bit-for-bit resume of a run stands.
    'tensorflow>=2.21,<2.22',
    # The TensorFlow back end of Keras 3. A minor release may change what
    # `train_step`, `SeedGenerator` and `LossScaleOptimizer` do inside.
    'keras>=3.15,<3.16',
    # The last release; composite tensors and `experimental_sample_and_log_prob`
    # follow its private conventions.
    'tensorflow-probability>=0.25,<0.26',
    # TFP 0.25 imports it; ours never does. It must match TensorFlow's minor.
    'tf_keras>=2.21,<2.22',
    # NumPy 2.4 removed `reshape(newshape=)`, on which TFP 0.25's
    # `tfb.SoftmaxCentered` and `tfb.Pad` raise. Lift when a TFP release mends
    # it. Before 2.0, a scalar prints otherwise than the doctests expect.
    'numpy>=2.0,<2.4',
    'absl-py',
]

_EXPERIMENTS = [
    # Checked on 4.9.10; a major release may rename data sets and features.
    'tensorflow-datasets>=4.9.10,<5',
    # The embedded data set, 8x8 digits. The first with wheels for Python 3.13.
    'scikit-learn>=1.5.2',
    # The first with wheels for Python 3.13.
    'matplotlib>=3.9.2',
    # Statistics and special functions, and oracles of tests. The first with
    # wheels for Python 3.13.
    'scipy>=1.14.1',
    'rich',
    # No longer a dependency of TensorFlow 2.21, which still needs it to show
    # the scalars and images that it writes.
    'tensorboard>=2.19',
]

_TEST = [
    # A major release removes what the one before it deprecated.
    'pytest>=9,<10',
    # The first with `--dist=worksteal`.
    'pytest-xdist>=3.2',
    'hypothesis',
]

_DEV = [
    # Formatters and checkers change their minds between releases, and CI must
    # not: one minor each.
    'pyink==26.5.*',
    # As pyink.
    'ruff==0.17.*',
    # As pyink.
    'mypy==2.4.*',
    'pre-commit',
]

_BENCHMARK = [
    # Only for the side-by-side tables of experiments/benchmarks, whose figures
    # name this release.
    'torch==2.13.0',
    # As PyTorch. Of it the benchmark loads one file, which needs nothing else.
    'edward2==0.0.2',
    # As PyTorch.
    'pyro-ppl==1.9.2',
    # As PyTorch. It is under the AGPL: the benchmark alone imports it.
    'storchastic==0.3.7',
]

setuptools.setup(
    name='discrete_lvm',
    version=_version(),
    description='Discrete latent-variable models on TensorFlow and Keras 3.',
    long_description=(_ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The discrete_lvm authors',
    license='Apache-2.0',
    # The experiments run from a checkout: `experiments` would be a poor name
    # to take among everybody's installed packages.
    packages=setuptools.find_packages(include=['discrete_lvm*']),
    package_data={'discrete_lvm': ['py.typed']},
    # Keras 3.15 needs 3.11; TensorFlow 2.21 has no wheel for 3.14.
    python_requires='>=3.11,<3.14',
    install_requires=_INSTALL,
    extras_require={
        'experiments': _EXPERIMENTS,
        'test': _TEST,
        'dev': _DEV,
        'benchmark': _BENCHMARK,
    },
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
