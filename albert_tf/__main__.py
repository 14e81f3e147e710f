"""`python -m albert_tf` is `albert-tf`."""

import sys

from albert_tf.cli import main

if __name__ == "__main__":
    sys.exit(main())
