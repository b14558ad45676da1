"""What the tests' processes are told, before anything of ours is imported, which looks at it.

Strings are looked up while modules are imported, so the language is chosen here; and of a
developer's own runs, models and profiles no test knows.
"""

import os

for _name in ("RUNS", "MODELS", "CONFIG", "CACHE", "ASCII", "LOCK", "AFTERWARDS", "RANK"):
    os.environ.pop(f"FARENSE_{_name}", None)
for _name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
    os.environ.pop(_name, None)
for _name in ("FORCE_COLOR", "PYTHON_COLORS", "TTY_COMPATIBLE", "TRANSFORMERS_OFFLINE"):
    os.environ.pop(_name, None)
for _name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
    os.environ.pop(_name)
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"  # where the tests' hub is
os.environ["LANG"] = "C.UTF-8"
os.environ["FARENSE_LANG"] = os.environ.get("FARENSE_TEST_LANG", "en")
