# SPDX-License-Identifier: Apache-2.0
"""`python3 -m lioshell`."""

import sys

from lioshell.cli import main

sys.exit(main())
