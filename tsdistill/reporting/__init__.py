"""Reports of fidelity: teacher and student compared, measured, and shown as text or HTML."""
