"""Strings are looked up while modules are imported: the tests' language is chosen before that."""

import os

os.environ["FARENSE_LANG"] = os.environ.get("FARENSE_TEST_LANG", "en")
