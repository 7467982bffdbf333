"""What all pictures share: colours, and the way to matplotlib."""

COLOURS = "RdBu_r"
FOR, AGAINST = "#b2182b", "#2166ac"
TEACHER, STUDENT = "#1b4f72", "#d95f02"


def pyplot():
    """matplotlib.pyplot, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib: pip install matplotlib, or tsdistill[plot]."
        ) from error
    return plt
