"""How large an archive becomes: a small file may be packed so tightly that no disk holds it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

_MOST = 1 << 30  # bytes of all that is in the archive
_MOST_RATIO = 300  # unpacked to packed; sheets and documents have 5 to 50
_SMALL = 1 << 24  # bytes that may be packed as tightly as they like


def check(path: Path) -> None:
    """Refuse a bomb by what the archive's directory says: that is the most that is unpacked.

    Raises FarenseError (refused), also where it is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile as error:
        raise refused(
            _("{path} is damaged").format(path=path), str(error), _("Save it again."), kind="data"
        ) from error
    unpacked = sum(part.file_size for part in parts)
    packed = max(1, sum(part.compress_size for part in parts))
    if unpacked > _MOST or (unpacked > _SMALL and unpacked > _MOST_RATIO * packed):
        raise refused(
            _("{path} is not unpacked").format(path=path),
            _("its {packed} KiB would become {unpacked} MiB").format(
                packed=packed >> 10, unpacked=unpacked >> 20
            ),
            _("Save it without what makes it so large, a sheet as CSV."),
            kind="data",
        )
