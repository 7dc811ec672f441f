"""Makes ``tasks_for_workers`` importable, also from the workers that tests start."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
