"""Practice seeds are public and stable; grading seeds depend on the course's secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from autograder.errors import CourseError
from autograder.seeds import SECRET_FILE, course_secret, public_seed, secret_seed

SECRET = b"s" * 32


def test_the_public_seed_never_changes() -> None:
    """A student's practice cases must be the same in every run and on every machine."""
    assert public_seed("lstm_cell") == public_seed("lstm_cell") == 57143963764218198
    assert public_seed("lstm_cell") != public_seed("lstm_layer")


def test_a_secret_seed_depends_on_secret_assignment_and_question() -> None:
    seeds = {
        secret_seed(SECRET, "a", "q"),
        secret_seed(b"t" * 32, "a", "q"),
        secret_seed(SECRET, "b", "q"),
        secret_seed(SECRET, "a", "r"),
        public_seed("q"),
        public_seed("a/q"),
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_secret_is_made_once_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    secret = course_secret(tmp_path)
    assert len(secret) == 32
    assert course_secret(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600


def test_two_courses_have_two_secrets(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert course_secret(tmp_path) != course_secret(tmp_path / "other")


@pytest.mark.parametrize("content", ["", "abcd", "not hexadecimal", "é"])
def test_what_is_no_secret_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / SECRET_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(CourseError, match="secret"):
        course_secret(tmp_path)
    assert (tmp_path / SECRET_FILE).read_text(encoding="utf-8") == content


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_secret(tmp_path: Path) -> None:
    course_secret(tmp_path)
    (tmp_path / SECRET_FILE).chmod(0)
    with pytest.raises(CourseError, match="cannot be read"):
        course_secret(tmp_path)


def test_a_folder_in_the_secrets_place(tmp_path: Path) -> None:
    (tmp_path / SECRET_FILE).mkdir()
    with pytest.raises(CourseError, match="cannot be"):
        course_secret(tmp_path)


def test_no_such_course(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="cannot be written"):
        course_secret(tmp_path / "nowhere")
