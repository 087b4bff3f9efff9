"""What someone's own code does, asked before any job: it runs in one process of its own.

The process is `python -m actstudy inspect`. It reads a request as JSON on stdin:

    {"folders": ["/home/me/study"],  # where modules are looked for, the first one first
     "questions": [
       {"kind": "activation", "path": "acts:Squash", "args": {"alpha": 1.0}, "code": {...}},
       {"kind": "model", "spec": {...}, "data": {...}, "code": {...}}]}

and writes one line of JSON to stdout: the answers, in the order of the questions, or the first
fault as a line that says which path, what it does and what is allowed:

    {"answers": [{"learns": false, "elementwise": true}, {"sites": ["first"], "n_params": 1234}]}
    {"fault": "acts:Squash: changes its input in place; allowed: ..."}

`code` (piece -> hash, of the source files) only makes the answer of edited code another one: an
answer is remembered in `results/own/<hash of its question>.json`, a fault never. What own code
prints goes to stderr and no further. GPUs are hidden from it.

A kind of question is a function here that makes it of a spec (in QUESTIONS) and one in
`commands/inspection.py` that answers it (in ANSWERS there). Planning calls `inspect` once with all
specs of a study; then `answer` has what the process said of a question, without another process.
"""
