"""Reference pages show what this library defines, not what scikit-learn, torch or sktime add."""


def skip_foreign(app, what, name, obj, skip, options):
    """Leave out a member that another package defines."""
    inside = getattr(obj, "fget", None) or getattr(obj, "__func__", None) or obj
    module = getattr(inside, "__module__", None)
    if callable(inside) and module is not None and not module.startswith("tsdistill"):
        return True
    return None


def setup(app):
    """Be asked about every member that autodoc would show."""
    app.connect("autodoc-skip-member", skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
