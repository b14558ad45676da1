"""What a forecast is asked for by; apart, because a screen wants it before it wants one."""

from __future__ import annotations

from farense_worker.protocol.settings.profile import Profile


def key(profile: Profile) -> tuple[object, ...]:
    """What the worker's facts depend on: with the same key they need not be asked for again."""
    model, data, train = profile.model, profile.data, profile.train
    seed = train.seed if data.valid_fraction else 0
    trust = model.trust_remote_code
    split = (data.path, data.valid_fraction, seed, data.append_end, data.skip, data.features)
    return (model.repo, model.revision, trust, *split, train.mask_prompt, train.answers)
