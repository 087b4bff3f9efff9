"""What the columns of the tables of properties mean, and their units."""

NOTES = {  # table -> what holds for all of its columns
    "Curve": "Places are looked for from -20 to 20; x and f(x) have no unit.",
    "Slopes and zeros": "Slopes have no unit. What rounding alone makes flat or 0 does not count.",
    "Signal": (
        "For inputs from N(0, 1). Per layer: of a deep net of wide linear layers, weights drawn "
        "with the gain of the table."
    ),
    "Halves": (
        "Ranges of x. All 65,536 values of x are tried, from 0 outwards, against float64. any: to "
        "the last finite number; all: everywhere."
    ),
    "Cost": (
        "In fp32, eager. not benchmarked: in no benchmark of the project; now: timed by this "
        "command. On another device or compiled, multiples are others."
    ),
}
MEANINGS = {  # table -> column -> what it says
    "Curve": {
        "range": "the infimum and the supremum of f(x), also if no x reaches them",
        "monotone": "whether f never falls (yes), never rises (yes, falling), or neither (no)",
        "minima": "local minima of f: their value and where, the first two",
        "zeros": "where f is 0: single x, and intervals",
        "far left": "what f does for x to -inf: its limit (to -1), else its slope",
        "far right": "the same for x to inf",
        "differentiable": "whether f has a slope at every x, and where it has none",
        "smooth order": (
            "C1 at 0: differentiable once everywhere, and the second derivative jumps at 0. The "
            "first three derivatives are looked at"
        ),
    },
    "Slopes and zeros": {
        "Lipschitz constant": (
            "the largest |f(x) - f(y)| / |x - y|: how much f can enlarge a difference; none if it "
            "has no bound"
        ),
        "gradient": "the smallest and the largest slope that autograd gives",
        "no gradient, share of N(0, 1)": (
            "the share, 0 to 1, of inputs from N(0, 1) in parts where f is flat"
        ),
        "exact zeros, share of N(0, 1)": "the share, 0 to 1, of such inputs that become exactly 0",
    },
    "Signal": {
        "mean": "the mean of f(z), z from N(0, 1)",
        "sd": "its standard deviation",
        "zero-centred": "yes if the mean is below 5% of the sd",
        "gain": (
            "the factor on weights of variance 1 / inputs with which a second moment of 1 stays 1: "
            "1 / sqrt(E[f(z)^2])"
        ),
        "variance x inputs": (
            "the same as a variance: gain^2. Weights of that variance over the number of inputs "
            "keep the second moment; He's rule has 2, LeCun's 1"
        ),
        "nearest policy": (
            "the named policy (of he_normal, lecun_normal, standard_heuristic) whose variance is "
            "nearest to that, and by how many percent its variance is larger (+) or smaller (-) "
            "than the one needed; without a percentage it is equal"
        ),
        "signal's change per layer": (
            "a factor: a small deviation of the second moment from 1 is multiplied by it in each "
            "layer. Of 0.5 after 10 layers a thousandth is left, of 1.2 it is six times as large"
        ),
        "fixed point": (
            "stable if that factor is below 1, unstable above (the signal dies out or grows, "
            "however exactly weights are drawn), neutral at 1"
        ),
        "gradient's change per layer": (
            "a factor: the second moment (mean square) of the gradient is multiplied by it in each "
            "layer on its way back"
        ),
    },
    "Halves": {
        "fp16 finite": "from and to which x output and gradient are finite",
        "fp16 output": "from and to which x the output has a correct binary digit",
        "fp16 gradient": "the same for the gradient",
        "bf16 finite": "as for fp16",
        "bf16 output": "as for fp16",
        "bf16 gradient": "as for fp16",
    },
    "Cost": {
        "kernel": "the one operation of torch that a forward pass is, or how many it is made of",
        "bytes kept": (
            "bytes per input value that the activation by itself keeps for the backward pass: 4 is "
            "one number in fp32"
        ),
        "kept between layers": (
            "bytes per input value that it and the linear layer after it keep together. The layer "
            "keeps the output: 4 if the activation needs nothing else, 8 if it keeps its input too"
        ),
        "CPU, forward": "time of a forward pass over relu's: one thread, 2^20 values",
        "CPU, with backward": "time of both passes over relu's",
        "GPU, forward": "the same on an H100, 2^28 values",
        "GPU, with backward": "the same on an H100, both passes",
    },
}
