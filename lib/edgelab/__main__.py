"""``python -m edgelab``: a bundle on simulated Pis, from the command line."""

import sys

from edgelab import cli

if __name__ == "__main__":
    sys.exit(cli.main())
