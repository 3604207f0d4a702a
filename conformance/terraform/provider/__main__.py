"""`python -m conformance.terraform.provider [SOURCE]`: a provider as a plugin; see `executable`."""

import os
import sys

from conformance.terraform.provider.executable import main

sys.exit(main(os.environ, *sys.argv[1:]))
