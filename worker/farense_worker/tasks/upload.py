"""An export's files sent to a hub, by the hub's own client: nothing is there until all is there.

A file that the hub has is not sent again, so what was broken off goes on by the same request. The
token is looked up by the client (HF_TOKEN, or what `hf auth login` stored), and told to nobody.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from farense_worker.model import compat
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress, Tell
from farense_worker.protocol.messages.upload import Request, Standing, Uploaded

_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+")  # may hold a signature that lets one write


def upload(asked: Request, tell: Tell) -> Standing | Uploaded:
    """Send, or say what is there. Raises FarenseError (refused) where the hub does not take it."""
    from huggingface_hub import HfApi, get_token

    if compat.hub_is_offline():
        raise _not_sent(asked, _("HF_HUB_OFFLINE is set: nothing is sent."), _("Unset it to send."))
    if not get_token():
        raise _not_sent(
            asked,
            _("No token says who you are."),
            _("Log in with: hf auth login. Or set HF_TOKEN to a token that may write."),
        )
    try:
        api = HfApi()
        standing = _standing(api, asked)
        return standing if asked.ask else _send(api, asked, standing, tell)
    except FarenseError:
        raise
    except _errors() as error:
        raise _explained(asked, error) from error


def _standing(api: Any, asked: Request) -> Standing:
    from huggingface_hub.errors import RepositoryNotFoundError

    who, endpoint = api.whoami(), str(api.endpoint)
    user = str(who.get("name", ""))
    if who.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise _not_sent(
            asked,
            _("The token of {user} may read and not write.").format(user=user),
            _("Make one that may write on the hub's page of settings, then: hf auth login."),
        )
    try:
        info = api.repo_info(asked.repo)
    except RepositoryNotFoundError:
        return Standing(user=user, endpoint=endpoint)
    private = bool(info.private)
    return Standing(user=user, endpoint=endpoint, exists=True, private=private)


def _send(api: Any, asked: Request, standing: Standing, tell: Tell) -> Uploaded:
    from huggingface_hub import CommitOperationAdd

    if standing.exists and not standing.private and not asked.public:
        raise _not_sent(
            asked,
            _("The repository is there already, and public: everybody would see it."),
            _("--public agrees to that; another name makes a private one."),
        )
    folder = Path(asked.folder)
    sizes = {name: (folder / name).stat().st_size for name in asked.files}
    total, done = sum(sizes.values()), 0
    if not standing.exists:
        api.create_repo(asked.repo, private=not asked.public, exist_ok=True)
    adding = [CommitOperationAdd(name, str(folder / name)) for name in asked.files]
    for each in adding:
        what = _("sending {file}").format(file=each.path_in_repo)
        tell(Progress(what, done, total, "bytes"))
        api.preupload_lfs_files(asked.repo, additions=[each], free_memory=False)
        done += sizes[each.path_in_repo]
    tell(Progress(_("the hub puts it together"), done, total, "bytes"))
    said = "Upload by farense-tui"  # not translated: it stands on the hub
    made = api.create_commit(asked.repo, adding, commit_message=said)
    return Uploaded(
        repo=asked.repo,
        address=f"{standing.endpoint}/{asked.repo}",
        commit=str(made.oid),
        bytes=total,
        private=standing.private if standing.exists else not asked.public,
    )


def _errors() -> tuple[type[Exception], ...]:
    """What the client raises; hf_xet, which sends large files, has RuntimeError for all of it."""
    return (
        *compat.network_errors(),
        *compat.hub_answer_errors(),
        OSError,
        RuntimeError,
    )  # HfHubHTTPError is OSError


def _explained(asked: Request, error: BaseException) -> FarenseError:
    """Say what an error of the hub means to the user."""
    if isinstance(error, RuntimeError) and error.__cause__:  # of one file: its cause tells why
        error = error.__cause__
    status = getattr(getattr(error, "response", None), "status_code", 0)
    owner = asked.repo.partition("/")[0]
    again = _("What has arrived is kept: the same again goes on there.")
    if status == 401:
        why = _("The hub does not take the token: it is wrong, or has been revoked.")
        again = _("Log in anew with: hf auth login. HF_TOKEN goes before it.")
    elif status == 403:
        why = _("The token may not write to {owner}.").format(owner=owner)
        again = _("It takes a token of {owner} with the right to write.").format(owner=owner)
    elif status == 404:
        why = _("The hub knows no {repo}, and no owner of it by your token.").format(
            repo=asked.repo
        )
        again = _("Check the name: OWNER is you, or an organisation that you belong to.")
    elif status:
        why = _("The hub has not taken it ({status}).").format(status=status)
    elif isinstance(error, compat.network_errors()):
        why = _("The hub cannot be reached.")
    else:
        why = _("The hub's client could not send it.")
    lines = _QUERY.sub(r"\1", str(error)).strip().splitlines()
    said = lines[0] if lines else type(error).__name__
    return _not_sent(asked, f"{why}\n{said}", again)


def _not_sent(asked: Request, detail: str, hint: str) -> FarenseError:
    title = _("not uploaded to {repo}").format(repo=asked.repo)
    return refused(title, detail, hint, kind="upload")
