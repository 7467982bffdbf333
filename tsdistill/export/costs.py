"""What a student takes where it is deployed: flash, memory and arithmetic."""

from tsdistill.export.c import program_of_model
from tsdistill.export.fitted import FittedStudent


def student_costs(model: FittedStudent) -> dict[str, int]:
    """Costs of a FittedStudent, see :meth:`tsdistill.SaliencyDistilledClassifier.student_costs`."""
    program = program_of_model(model)
    _, n_numbers = program.memory()
    return {
        "weights": sum(p.numel() for p in model.net.module_.parameters()),
        "bits": model.bits,
        "constant_bytes": program.n_weight_bytes,
        "memory_bytes": 4 * (n_numbers + program.n_state_numbers),
        "multiplications": program.n_multiplications,
    }
