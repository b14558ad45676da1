"""Questions of a data set's own rows, to be asked at each validation."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.settings.profile import Profile
from farense_worker.protocol.system_prompt import LOOKED_AT


def prompts(profile: Profile) -> tuple[str, ...]:
    """Give what the validations ask: report.prompts, or else questions of the data's own rows."""
    return profile.report.prompts or of_data(
        Path(profile.data.path), profile.report.questions, profile.train.max_seq_length
    )


def of_data(folder: Path, number: int, longest: int) -> tuple[str, ...]:
    """Give the first `number` questions of test.jsonl, else of valid.jsonl, else of train.jsonl.

    longest: in characters, so that one is no longer than a row that is trained on. Plain text asks
    nothing.
    """
    if not number:
        return ()
    for split in ("test", "valid", "train"):
        found: dict[str, None] = {}
        try:
            for row in islice(dataset.scan(folder / f"{split}.jsonl"), LOOKED_AT):
                asked = _asked(row) if isinstance(row, Row) else ""
                if 0 < len(asked) <= longest:
                    found[asked] = None
                if len(found) == number:
                    break
        except OSError:
            continue
        if found:
            return tuple(found)
    return ()


def _asked(row: Row) -> str:
    """Give the question that a row begins with; empty where it begins with something else."""
    if row.kind == "text":
        return ""
    messages = row.conversation()[0]
    begins = [each for each in messages if each["role"] != "system"][:2]
    if [each["role"] for each in begins] != ["user", "assistant"]:
        return ""
    content = begins[0].get("content")
    return content.strip() if isinstance(content, str) else ""
