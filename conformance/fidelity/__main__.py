"""`python -m conformance.fidelity > docs/fidelity.md`"""

import sys

from conformance.fidelity import parts
from conformance.fidelity.page import page

sys.stdout.write(page(parts()))
