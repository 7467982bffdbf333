"""What a C file is given: series of one length, or series that end anywhere."""

import re

ONE_LENGTH = {
    "ARGUMENTS": "const float *series, float *proba",
    "SERIES": """\
 *   series: TSDISTILL_N_CHANNELS times TSDISTILL_N_TIMEPOINTS numbers, one channel after another,
 *           as measured: standardisation is inside.""",
    "REFUSED": "a number of the series is NaN or infinite",
    "CHECKS": """\
    for (i = 0; i < TSDISTILL_N_CHANNELS * TSDISTILL_N_TIMEPOINTS; i++) {
        if (!(fabsf(series[i]) <= 3.402823466e+38f)) {
            return -1;
        }
    }""",
}
ANY_LENGTH = {
    "ARGUMENTS": "const float *series, int length, float *proba",
    "SERIES": """\
 *   series: TSDISTILL_N_CHANNELS times length numbers, one channel after another, as measured:
 *           standardisation is inside.
 *   length: timesteps, from TSDISTILL_FEWEST_TIMEPOINTS to TSDISTILL_MOST_TIMEPOINTS.""",
    "REFUSED": "the length is not between these, or a number of the series is NaN or infinite",
    "CHECKS": """\
    if (length < TSDISTILL_FEWEST_TIMEPOINTS || length > TSDISTILL_MOST_TIMEPOINTS) {
        return -1;
    }
    for (i = 0; i < TSDISTILL_N_CHANNELS * length; i++) {
        if (!(fabsf(series[i]) <= 3.402823466e+38f)) {
            return -1;
        }
    }""",
}
WITH_GAPS = ANY_LENGTH | {
    "SERIES": ANY_LENGTH["SERIES"]
    .replace("standardisation is inside.", "standardisation is inside. NaN is a missing value.")
    .replace("timesteps, from", "timesteps up to the last with a value, from"),
    "REFUSED": (
        "the length is not between these, a number is infinite, or a channel or the last\n"
        " * timestep has none"
    ),
    "CHECKS": """\
    int n_ends = 0;
    if (length < TSDISTILL_FEWEST_TIMEPOINTS || length > TSDISTILL_MOST_TIMEPOINTS) {
        return -1;
    }
    for (i = 0; i < TSDISTILL_N_CHANNELS; i++) {
        const float end = series[(i + 1) * length - 1];
        n_ends += end == end;
    }
    if (n_ends == 0) {
        return -1;
    }
    for (i = 0; i < TSDISTILL_N_CHANNELS; i++) {
        const float *channel = series + i * length;
        int t, n_known = 0;
        for (t = 0; t < length; t++) {
            if (fabsf(channel[t]) > 3.402823466e+38f) {
                return -1;
            }
            n_known += channel[t] == channel[t];
        }
        if (n_known == 0) {
            return -1;
        }
    }""",
}


def interface(model):
    """The parts of a C file that depend on what series a FittedStudent takes, by their names."""
    if model.uneven is None:
        return ONE_LENGTH | {"TIMEPOINTS": f"#define TSDISTILL_N_TIMEPOINTS {model.shape[1]}"}
    fewest, most = model.range
    timepoints = (
        f"#define TSDISTILL_FEWEST_TIMEPOINTS {fewest}\n#define TSDISTILL_MOST_TIMEPOINTS {most}"
    )
    return (WITH_GAPS if model.uneven.gaps else ANY_LENGTH) | {"TIMEPOINTS": timepoints}


def lengths_in_c(program, uneven):
    """Length of each value: an int, or for series that end anywhere the name of an int."""
    if not uneven:
        return [length for _, length in program.shapes]
    follows = program.follows_series()
    return [
        f"n{value}" if follows[value] else length
        for value, (_, length) in enumerate(program.shapes)
    ]


def declared_lengths(program, lengths, calls):
    """Declarations of the lengths that some calls name, and of those from which they follow."""
    known = {"n0": "length"}
    for step in program.steps:
        source, s = lengths[step.inputs[0]], step.settings
        if step.operation in ("conv", "max_pool"):
            width = s.get("length") or step.weights["weight"].values.shape[-1]
            reach = s.get("dilation", 1) * (width - 1) + 1
            source = f"({source} + {s['padded'] - reach}) / {s['stride']} + 1"
        if isinstance(lengths[step.output], str):
            known[lengths[step.output]] = source
    needed, found = set(), set(re.findall(r"\bn\d+\b", calls))
    while found - needed:
        needed |= found
        found = {name for one in needed for name in re.findall(r"\bn\d+\b", known[one])}
    return [f"const int {name} = {known[name]};" for name in known if name in needed]
