"""The course's nbgrader configuration; stock nbgrader commands run in this folder read it."""

from pathlib import Path

from autograder.nbgrader_plugin import configure

c = get_config()  # noqa: F821 - nbgrader provides it

c.CourseDirectory.course_id = "tensors-to-tang-poems"

# Seconds for one cell of a submission; a question that takes longer earns nothing.
c.Execute.timeout = 20

# The least that the sandbox must give: full, landlock or none. See Security in the README.
c.ZygoteProvisioner.level = "landlock"

# Grade through the referee, and make the notebooks from their Markdown sources.
configure(c, Path(__file__).resolve().parent)
