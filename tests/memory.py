"""What a process remembers of the package's source files, for tests that edit copies of them."""

from actstudy.contract import literals, nets, registry

READ = (
    literals.tree,
    literals.assignments,
    registry.literal,
    registry.entries,
    registry.arguments,
    registry.files,
    registry.task,
    registry.registered_dataset,
    nets.declared,
)


def forget(*more):
    """Read source files anew from now on; more: further functions with a cache."""
    for function in (*READ, *more):
        function.cache_clear()
