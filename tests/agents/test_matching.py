"""Diagnoses and examinations are matched by meaning, and no list or count can buy a hit."""

import pytest

from agents.matching import (
    DIAGBENCH_RULE,
    ListingRule,
    judge_count_compat,
    match_diagnosis,
    match_examinations,
    ontology,
    settle_diagnosis,
)

TEN = (
    "Pulmonary embolism, myocardial infarction, pneumonia, pneumothorax, pericarditis, aortic dissection, asthma, "
    "heart failure, costochondritis, panic attack"
)


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [
        ("PE", "Pulmonary embolism"),
        ("pulmonary embolism.", "Pulmonary embolism"),
        ("Acute pulmonary embolism with right heart strain", "Pulmonary embolism"),
        ("Heart attack", "Acute myocardial infarction"),
        ("Crohn’s disease", "Crohn disease"),
        ("preeclampsia", "Pre-eclampsia"),
        ("Celiac disease", "Coeliac disease"),
        ("Iron deficiency anemia", "Iron-deficiency anaemia"),
        ("I26.02", "Pulmonary embolism"),
        ("Diagnosis: **Acute appendicitis**", "Appendicitis"),
        ("Severe left-sided pneumonia", "Community-acquired pneumonia"),
        ("Pulmonary embolsim", "Pulmonary embolism"),
        ("Type 2 diabetes, new", "Type 2 diabetes mellitus"),
        ("Whipple disease", "Whipple's disease"),
        ("TTP", "Thrombotic thrombocytopenic purpura"),
    ],
)
def test_other_words_for_the_same_disease(predicted, reference):
    assert match_diagnosis(predicted, reference).correct is True


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [
        ("Stable angina", "Unstable angina"),
        ("Hypothyroidism", "Hyperthyroidism"),
        ("AML", "ALL"),
        ("hepatitis A", "hepatitis B"),
        ("Not pulmonary embolism but pneumonia", "Heart failure"),
        ("Pneumonia", "Pulmonary embolism"),
        ("", "Pulmonary embolism"),
        (None, "Pulmonary embolism"),
        ("acute, severe", "Pulmonary embolism"),
    ],
)
def test_another_disease_is_never_right(predicted, reference):
    assert match_diagnosis(predicted, reference).correct is not True


def test_type_one_is_no_misspelling_of_type_two():
    assert match_diagnosis("Type 1 diabetes mellitus", "Type 2 diabetes mellitus").correct is not True


@pytest.mark.parametrize("rule", [ListingRule(), DIAGBENCH_RULE])
def test_a_list_of_ten_is_not_a_hit(rule):
    for separator in (", ", "; ", " and ", "\n", " with "):
        match = match_diagnosis(separator.join(TEN.split(", ")), "Pulmonary embolism", rule=rule)
        assert (match.correct, match.how, match.listed) == (False, "lists too many", 10)


def test_numbered_lists_are_counted():
    numbered = " ".join(f"{n}. {name}" for n, name in enumerate(TEN.split(", "), 1))
    assert match_diagnosis(numbered, "Pulmonary embolism").how == "lists too many"


def test_the_primary_diagnosis_counts_not_a_later_one():
    assert match_diagnosis("Pulmonary embolism, hypoxia", "Pulmonary embolism").correct is True
    assert match_diagnosis("Pneumonia, pulmonary embolism", "Pulmonary embolism").correct is False
    assert match_diagnosis("Pneumonia, pulmonary embolism", "Pulmonary embolism", rule=DIAGBENCH_RULE).correct is True


@pytest.mark.parametrize("hedge", ["PE or pneumonia", "PE vs. pneumonia", "pulmonary embolism/pneumonia"])
def test_a_choice_between_two_is_no_diagnosis(hedge):
    assert match_diagnosis(hedge, "Pulmonary embolism").how == "names alternatives"


def test_a_family_of_codes_shared_by_two_conditions_decides_nothing():
    assert match_diagnosis("I20", "Stable angina").correct is None


def test_every_name_of_the_knowledge_resolves_to_its_own_condition():
    known = ontology()
    for condition in known.known.conditions:
        resolved = known.resolve(known.names(condition)[0])
        assert resolved is not None
        assert resolved.condition == condition


async def test_only_the_undecided_is_asked_of_the_judge():
    asked = []

    async def judge(predicted, reference):
        asked.append((predicted, reference))
        return True

    sure = await settle_diagnosis("PE", "Pulmonary embolism", second_opinion=judge)
    assert sure.correct
    assert asked == []
    unsure = await settle_diagnosis("Morbus Werlhof", "Immune thrombocytopenia", second_opinion=judge)
    assert (unsure.correct, unsure.how) == (True, "judge")
    assert asked == [("Morbus Werlhof", "Immune thrombocytopenia")]
    assert (await settle_diagnosis("Morbus Werlhof", "Immune thrombocytopenia")).correct is None


async def test_a_list_never_reaches_the_judge():
    async def generous(predicted, reference):
        raise AssertionError("asked")

    match = await settle_diagnosis(", ".join(f"Xyz{n} disease" for n in range(10)), "Xyz3", second_opinion=generous)
    assert match.correct is False


def test_no_reference_is_an_error_not_a_zero():
    with pytest.raises(ValueError, match="reference"):
        match_diagnosis("PE", " ")


def test_examinations_by_meaning_repeats_once():
    got = match_examinations(["FBC", "chest film", "CBC"], ["Complete blood count", "Chest X-ray", "Troponin"])
    assert got.pairs == (("cbc", "cbc"), ("chest_xray", "chest_xray"))
    assert (got.precision, got.recall, got.f1) == (1.0, 2 / 3, pytest.approx(0.8))


def test_panel_and_parts_are_related_and_not_farmable():
    parts = match_examinations(["haemoglobin", "white cell count", "platelets"], ["CBC"])
    assert (len(parts.asked), parts.precision, parts.recall) == (1, 1.0, 1.0)
    whole = match_examinations(["CBC"], ["haemoglobin", "platelets"])
    assert (whole.precision, whole.recall) == (1.0, 1.0)
    repeated = match_examinations(["CBC", "haemoglobin"], ["haemoglobin"])
    assert repeated.asked == ("cbc",)


def test_several_examinations_in_one_request_count_each():
    got = match_examinations(["CBC, chest X-ray and ECG"], ["ECG"])
    assert (len(got.asked), got.precision, got.recall) == (3, 1 / 3, 1.0)


def test_examinations_outside_the_catalogue_match_by_their_words():
    got = match_examinations(["Zebra fish assay", "zebra-fish assays"], ["Zebra fish assay"])
    assert (got.asked, got.f1) == (("text:zebrafishassay",), 1.0)


def test_empty_lists():
    assert match_examinations([], []).f1 == 1.0
    assert match_examinations(["CBC"], []).f1 == 0.0
    assert match_examinations([], ["CBC"]).f1 == 0.0


def test_a_judges_pairs_count_only_within_the_lists():
    asked, reference = ["Zebra assay"], ["Equine test"]
    left, right = match_examinations(asked, reference).asked[0], match_examinations(asked, reference).reference[0]
    assert match_examinations(asked, reference, judged=[(left, right), (left, right), ("x", "y")]).f1 == 1.0


def test_counts_of_a_judge_are_clamped():
    assert judge_count_compat(7, 3, 2, 4) == (1.0, 0.5)
    assert judge_count_compat(-1, 3, 9, 4) == (0.0, 1.0)
    assert judge_count_compat(0, 0, 0, 0) == (1.0, 1.0)
    assert judge_count_compat(5, 0, 5, 4) == (0.0, 1.0)
