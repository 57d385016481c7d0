"""A wrong knowledge file is refused with its name and line."""

import shutil
from pathlib import Path

import pytest

from agents.knowledge.conditions import load
from agents.knowledge.files import ROOT, KnowledgeError, digest, line_of, parsed


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    root = tmp_path / "knowledge"
    root.mkdir()
    for path in ROOT.glob("*.yaml"):
        shutil.copy(path, root)
    (root / "conditions").mkdir()
    shutil.copy(ROOT / "conditions" / "pe.yaml", root / "conditions")
    return root


def break_pe(root: Path, old: str, new: str) -> int:
    """Replace the first `old` and return its line number."""
    path = root / "conditions" / "pe.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("long_travel: 0.12", "long_travel: 1.78", "1.78"),
        ("long_travel: 0.12", "long_trvel: 0.12", "unknown finding 'long_trvel'"),
        ("d_dimer: [3.2, 1.6, 6.5]", "d_dimer: [3.2, 4.6, 6.5]", "q1 < median < q3"),
        ("d_dimer: [3.2, 1.6, 6.5]", "anion_gap: [3.2, 1.6, 6.5]", "not a measured value"),
        ("{pulmonary_embolus: 0.9}", "{pulmonary_embolism: 0.9}", "unknown result"),
        ("{pulmonary_embolus: 0.9}", "{pulmonary_embolus: 0.9, normal: 0.2}", "sum to more than 1"),
        ("long_travel: 0.12", "long_travel: [0.12, B]", "needs a source"),
        ("long_travel: 0.12", "long_travel: [0.12, B, lancet]", "unknown source 'lancet'"),
        ("icd10: I26.99", "icd10: PE", "does not match"),
        ("confirm: [ctpa, vq_scan]", "confirm: [ctpaa]", "unknown examination"),
    ],
)
def test_faults_name_file_and_line(copy: Path, old: str, new: str, says: str) -> None:
    line = break_pe(copy, old, new)
    with pytest.raises(KnowledgeError, match=r"^pe\.yaml:\d+: ") as caught:
        load(copy)
    assert caught.value.line == line
    assert says in str(caught.value)


def test_broken_yaml_names_its_line(copy: Path) -> None:
    line = break_pe(copy, "aliases: [PE,", "aliases: [[PE,")
    with pytest.raises(KnowledgeError) as caught:
        load(copy)
    assert caught.value.line >= line


def test_unknown_references_in_the_vocabulary_are_found(copy: Path) -> None:
    path = copy / "groups.yaml"
    path.write_text(path.read_text().replace("presents_with: [chest_pain]", "presents_with: [chest_ache]"))
    with pytest.raises(KnowledgeError, match="chest_ache"):
        load(copy)


def test_the_version_changes_with_any_number(copy: Path) -> None:
    before = digest(copy)
    break_pe(copy, "long_travel: 0.12", "long_travel: 0.11")
    assert digest(copy) != before


def test_line_of_falls_back_to_the_parent() -> None:
    assert line_of("a:\n  b: 1\n", ["a", "b"]) == 2
    assert line_of("a:\n  b: 1\n", ["a", "zzz"]) == 1


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_file_fits_its_schema(path: Path) -> None:
    """At run time they are read without this check."""
    parsed(path, schema="condition" if path.parent.name == "conditions" else path.stem)
