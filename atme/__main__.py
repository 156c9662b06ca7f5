"""``python -m atme`` is the ``atme`` command."""

import sys

from atme.cli import main

if __name__ == "__main__":
    sys.exit(main())
