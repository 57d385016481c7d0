"""The shipped vocabulary is complete enough to ask, examine and report with."""

from agents.knowledge.conditions import LATENTS, knowledge
from agents.world import scales


def test_every_sign_is_revealed_by_a_physical_examination() -> None:
    known = knowledge()
    for finding in known.findings.values():
        if finding.kind == "sign":
            assert known.catalogue.exams[finding.exam].kind == "physical"


def test_every_physical_examination_reveals_something() -> None:
    known = knowledge()
    signs = {finding.exam for finding in known.findings.values()}
    for exam in known.catalogue.exams.values():
        if exam.kind == "physical" and not exam.parts and exam.analyte is None:
            assert exam.id in signs, exam.id


def test_each_latent_but_inflammation_has_one_comorbidity() -> None:
    found = [f.comorbidity for f in knowledge().findings.values() if f.comorbidity]
    assert sorted(found) == sorted(set(LATENTS) - {"inflammation"})


def test_backgrounds_leave_room_for_the_normal_result() -> None:
    for exam in knowledge().catalogue.exams.values():
        if exam.results:
            assert exam.results[0].background >= 0.3, exam.id


def test_the_healthy_middle_lies_inside_its_reference_interval() -> None:
    for exam in knowledge().catalogue.exams.values():
        if exam.analyte and not exam.analyte.rule:
            for sex in ("male", "female"):
                low, high = exam.analyte.interval(50, sex)
                mean, sd = scales.healthy(exam.analyte, 50, sex)
                assert low <= scales.backward(exam.analyte, mean) <= high, exam.id
                assert sd > 0, exam.id


def test_a_number_without_a_source_is_an_authors_estimate() -> None:
    for condition in knowledge().conditions.values():
        for number in [*condition.findings.values(), *condition.values.values()]:
            assert number.confidence == "D" or number.source


def test_panels_name_known_parts_and_no_panel_contains_itself() -> None:
    exams = knowledge().catalogue
    for exam in exams.exams.values():
        assert exam.id not in exam.parts
        assert exams.leaves(exam.id)
