"""The fitted student elsewhere: files, and forms that run without Python."""
