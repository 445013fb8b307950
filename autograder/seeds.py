"""Seeds: public ones for practice, secret ones for grading.

A course's secret is 32 random bytes in a file that only the instructor can read.  The seed of a
question's cases is an HMAC of the secret, the assignment and the question: the same submission
always meets the same cases, and another course's cases are different ones.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from .errors import CourseError

__all__ = ["SECRET_FILE", "course_secret", "public_seed", "secret_seed"]

SECRET_FILE = "course_secret"
"""The secret's file in the course directory."""


def public_seed(question: str) -> int:
    """Return the seed of the practice cases that everybody may know."""
    return _seed(b"practice", question)


def secret_seed(secret: bytes, assignment: str, question: str) -> int:
    """Return the seed of the cases on which a class is graded."""
    return _seed(secret, f"{assignment}/{question}")


def _seed(key: bytes, text: str) -> int:
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch's generators take 63 bits.


def course_secret(course: Path) -> bytes:
    """Read the course's secret; the first time, make one.

    Args:
        course: the nbgrader course directory.

    Raises:
        CourseError: if the file cannot be read or written, or does not hold a secret.
    """
    path = course / SECRET_FILE
    try:
        # O_EXCL: of two graders that start together, one makes the secret and both read it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise CourseError(
            f"The course's secret {path} cannot be written: {error.strerror}."
        ) from None
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise CourseError(f"The course's secret {path} cannot be read: {error}.") from None
    if len(secret) < 16:
        raise CourseError(
            f"The course's secret {path} is shorter than 16 bytes; restore it from your backup, "
            "or delete it to have a new one made (grades may then change)."
        )
    return secret
