"""Packages discrete_lvm; `pip install -e .[experiments,test,dev]` to develop."""

import pathlib

import setuptools

_ROOT = pathlib.Path(__file__).parent


def _version():
  namespace = {}
  exec((_ROOT / 'discrete_lvm/version.py').read_text(), namespace)
  return namespace['__version__']


_INSTALL = [
    # Keras 3.15 and the behaviours recorded in docs/stack.md were checked on
    # 2.21; 2.22 has no release yet.
    'tensorflow>=2.21,<2.22',
    # The TensorFlow back end of Keras 3; 3.15 is the first whose
    # `LossScaleOptimizer` and `SeedGenerator` state we rely on, and a minor
    # release may change `train_step` internals.
    'keras>=3.15,<3.16',
    # The last release; composite tensors and `experimental_sample_and_log_prob`
    # follow its private conventions.
    'tensorflow-probability>=0.25,<0.26',
    # TFP 0.25 imports it; ours never does. It must match TensorFlow's minor.
    'tf_keras>=2.21,<2.22',
    # NumPy 2.4 removed `reshape(newshape=)`, on which TFP 0.25's
    # `tfb.SoftmaxCentered` and `tfb.Pad` raise. Lift when a TFP release mends
    # it.
    'numpy>=2.0,<2.4',
    'absl-py>=2.1',
]

_EXPERIMENTS = [
    # 4.9.9 is the first that supports NumPy 2 and Python 3.13.
    'tensorflow-datasets>=4.9.9,<5',
    # The embedded data set, 8x8 digits.
    'scikit-learn>=1.5',
    'matplotlib>=3.9',
    'rich>=13',
    # TensorFlow 2.21 no longer installs it.
    'tensorboard>=2.19',
]

_TEST = [
    'pytest>=8',
    'pytest-xdist>=3.6',
    'hypothesis>=6.100',
    'scipy>=1.13',
]

_DEV = [
    # Formatters and checkers change their minds between releases, and CI must
    # not: one minor each.
    'pyink==26.5.*',
    'ruff==0.17.*',
    'mypy==2.4.*',
    'pre-commit>=4',
]

# Only for the side-by-side tables of experiments/benchmarks.
_BENCHMARK = ['torch==2.13.0']

setuptools.setup(
    name='discrete_lvm',
    version=_version(),
    description='Discrete latent-variable models on TensorFlow and Keras 3.',
    long_description=(_ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    author='The discrete_lvm authors',
    license='Apache-2.0',
    packages=setuptools.find_packages(
        include=['discrete_lvm*', 'experiments*']
    ),
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
