"""The book's pictures: one module a chapter, and in ``draw.py`` the language they all speak.

The build draws them (``chapters/_ext/pictures.py``); the SVG files are not in the repository.
"""
