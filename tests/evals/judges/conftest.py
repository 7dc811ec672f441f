"""Makes ``servers`` importable from the tests of this folder, and rows to judge."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
