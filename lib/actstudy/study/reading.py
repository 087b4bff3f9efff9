"""From YAML text, in a file or on the command line, to values that are not validated yet."""

from pathlib import Path
from typing import Any

import yaml

from actstudy.study.registry import StudyError


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice: the first one would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parsed(text: str, source: str) -> Any:
    """YAML text as a value; StudyError where it is none."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise StudyError(f"{source}: not readable as YAML: {' '.join(str(error).split())}") from None


def read(file: Path) -> dict[str, Any]:
    """The content of a study file, not yet validated."""
    if not file.is_file():
        raise StudyError(f"{file}: no such file; allowed: a study file, such as config/config.yaml")
    try:
        content = parsed(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise StudyError(f"{file}: not readable as text: {error}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{file}: got {type(content).__name__}; allowed: a mapping of keys, tasks among them")
    return content


def coerced(value: Any, source: str) -> Any:
    """A command-line value as YAML would have it: `a,b` is a list, `3` a number."""
    if isinstance(value, str) and "," in value and not value.lstrip().startswith(("[", "{")):
        return [coerced(part, source) for part in value.split(",")]
    return parsed(value, source) if isinstance(value, str) else value
