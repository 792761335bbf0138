"""Where the standard library must not be walked, and where it hides what users know."""

# Importing these opens a window, prints, starts something or changes the prompt.
SKIPPED = {
    "antigravity",
    "distutils",
    "encodings",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "readline",
    "rlcompleter",
    "test",
    "tests",
    "this",
    "tkinter",
    "turtle",
    "turtledemo",
}

# Where a user finds what the interpreter keeps elsewhere.
PUBLIC_NAMES = {
    "_frozen_importlib": "importlib.machinery",
    "_frozen_importlib_external": "importlib.machinery",
    "genericpath": "os.path",
    "nt": "os",
    "ntpath": "os.path",
    "nturl2path": "urllib.request",
    "posix": "os",
    "posixpath": "os.path",
    "pyexpat": "xml.parsers.expat",
}

# A second public name of a base class: its methods belong to the class that people use.
ALIASES = {"socket.SocketType"}
