"""Package description. Each dependency says in one line what it is for."""

from pathlib import Path

from setuptools import find_packages, setup

REQUIRED = [
    "tensorflow>=2.21,<2.22",  # graphs, tf.data, SavedModel, the TFLite converter
    "keras>=3.15,<3.16",  # layers and model.fit
    "keras-nlp>=0.32,<0.33",  # installs keras_hub: Backbone, Task, Preprocessor, presets
    "tensorflow-text>=2.21,<2.22",  # SentencePiece and normalization as graph ops
    "tensorflow-serving-api>=2.21,<2.22",  # message types of TF Serving
    "protobuf>=6.31.1,<7",  # the one range that TensorFlow, TF Serving and Beam all accept
    "grpcio>=1.74,<2",  # the wire of TF Serving's API
    "grpcio-health-checking>=1.74,<2",  # standard health service of the embedded server
    "grpcio-reflection>=1.74,<2",  # lets grpcurl and the like ask the server what it offers
    "sentencepiece>=0.2.1,<0.3",  # trains vocabularies
    "safetensors>=0.5,<1",  # reads and writes Hugging Face weights without torch
    "numpy>=1.26,<3",  # arrays
    "scikit-learn>=1.6,<2",  # accuracy, F1 and Matthews correlation
    "scipy>=1.13,<2",  # Pearson and Spearman correlation
    "sacrebleu>=2.6,<3",  # BLEU and chrF, as papers report them
    "rich>=13.9,<16",  # progress bars and tables
    "matplotlib>=3.9,<4",  # learning curves
    "shtab>=1.7,<2",  # completion of flags in bash, zsh and tcsh
]
EXTRAS = {
    "test": [
        "pytest>=8.3,<10",  # runs the tests
        "pytest-xdist>=3.6,<4",  # on two cores at once
        "ruff>=0.11,<1",  # formats and lints
        "pyyaml>=6,<7",  # reads the compose file and the manifests of export/
        "ai-edge-litert>=2.1,<3",  # runs TFLite files as a device does
        "jax>=0.7,<1",  # the second backend that the model must run on (CPU build)
    ],
    "mobile": [
        "ai-edge-litert>=2.1,<3",  # runs TFLite files: export --verify, --accuracy-data, predict
    ],
    "data": [
        "tensorflow-datasets>=4.9.9,<5",  # GLUE and others by name, where there is a network
        "apache-beam[tfrecord]>=2.70,<3",  # pretraining data at scale
    ],
    "docs": [  # Sphinx: mkdocs-material ends its maintenance in 11/2026, MkDocs 1 has ended
        "sphinx>=9,<10",  # builds docs/, with the reference out of the docstrings
        "myst-parser>=5,<6",  # reads its Markdown
        "furo>=2025.12",  # its looks
    ],
    "notebooks": [
        "jupyterlab>=4.4,<5",  # opens the notebooks
        "nbformat>=5.10,<6",  # reads and writes their files
        "nbclient>=0.10,<1",  # executes them in the tests
        "ipykernel>=6.29,<8",  # what they are executed in
        "ai-edge-litert>=2.1,<3",  # runs TFLite files, for the one about phones
    ],
    "bench": [
        "torch>=2.9,<3",  # runs transformers' ALBERT
        "transformers>=5,<6",  # the peer in benchmarks and parity tests
        "onnx>=1.18,<2",  # writes the peer's file for it
        "onnxruntime>=1.22,<2",  # the peer on mobile-sized models
    ],
}

setup(
    name="albert-tf",
    version="0.1.0",
    description="ALBERT for Keras 3 and TensorFlow, from raw text to a served model",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["albert_tf", "albert_tf.*"]),
    package_data={
        "albert_tf": ["presets/*.json", "presets/*/*", "training/recipes/*.json", "samples/*"]
    },
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["albert-tf = albert_tf.cli:main"]},
)
