"""What the tests' processes are told, before anything of ours is imported, which looks at it.

Strings are looked up while modules are imported, so the language is chosen here; and of a
developer's own runs, models and profiles no test knows.
"""

import os

for _name in ("RUNS", "MODELS", "CONFIG", "CACHE", "ASCII", "LOCK", "AFTERWARDS", "RANK"):
    os.environ.pop(f"FARENSE_{_name}", None)
for _name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
    os.environ.pop(_name, None)
os.environ["LANG"] = "C.UTF-8"
os.environ["FARENSE_LANG"] = os.environ.get("FARENSE_TEST_LANG", "en")
