"""A PostgreSQL server for the tests: their own, on a Unix socket only, gone when they are over."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text

# Nothing here outlives a crash, so nothing need be written to disk with care.
OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


def programs() -> Path | None:
    """Find the folder of initdb and pg_ctl; Debian keeps it out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin: int(bin.parts[-2]))
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, reversed(debian))])
    found = shutil.which("initdb", path=path)
    return Path(found).resolve().parent if found else None


def missing() -> str | None:
    """Return why there can be no server, or None if there can be one."""
    return None if programs() else "PostgreSQL is not installed: there is no initdb."


def run(folder: Path, name: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's as the folder's owner: PostgreSQL refuses to run as root."""
    bin = programs()
    assert bin is not None, missing()
    owner = pwd.getpwuid(folder.stat().st_uid)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    options: dict[str, Any] = {"cwd": folder, "env": environment}
    if os.geteuid() == 0:
        options |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    command = [str(bin / name), "-D", str(folder / "data"), *arguments]
    with (folder / "log").open("ab") as log:  # a pipe would be held open by the server
        done = subprocess.run(command, stdout=log, stderr=log, **options)
    assert done.returncode == 0, (folder / "log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def server() -> Iterator[str]:
    """Start a server in a temporary folder. Yields the URL of its database postgres."""
    # In /tmp, because the path of a socket must be short and open to the server's user.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            known = {user.pw_name for user in pwd.getpwall()}
            shutil.chown(folder, "postgres" if "postgres" in known else "nobody")
        run(folder, "initdb", "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        listen = f"-c listen_addresses='' -c unix_socket_directories={folder} -c port=5432"
        run(folder, "pg_ctl", "start", "--wait", "--options", f"{listen} {OPTIONS}")
        try:  # slashes as they are: alembic, and so `nbgrader db upgrade`, trips over %2F
            yield f"postgresql+psycopg://test@/postgres?host={name}&port=5432"
        finally:
            run(folder, "pg_ctl", "stop", "--wait", "--mode", "immediate")


@contextmanager
def database(server_url: str) -> Iterator[str]:
    """Make an empty database on the server. Yields its URL, and drops it in the end."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield server_url.replace("/postgres?", f"/{name}?")
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
