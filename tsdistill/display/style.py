"""What all pictures share: colours, and the way to matplotlib."""

COLOURS = "RdBu_r"
FOR, AGAINST = "#b2182b", "#2166ac"
TEACHER, STUDENT = "#1b4f72", "#d95f02"


REMEDY = "pictures need matplotlib: pip install matplotlib, or tsdistill[plot]."


def pyplot():
    """matplotlib.pyplot, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(REMEDY) from error
    return plt


def bare_figure(size):
    """A figure of that size in inches that no window ever shows."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(REMEDY) from error
    return Figure(figsize=size, layout="constrained")


def plain_style():
    """A context in which matplotlib's own style holds, whatever the user has set."""
    try:
        from matplotlib import style
    except ImportError as error:
        raise ImportError(REMEDY) from error
    return style.context("default", after_reset=True)
