"""`python -m dlcourse` is `dlcourse`, also where the script is not on the path."""

import sys

from dlcourse.cli import main

sys.exit(main())
