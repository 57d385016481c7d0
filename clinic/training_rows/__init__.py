"""Training rows from approved feedback: what was accepted, corrected or preferred, as trainers read it.

Every row names the feedback it rests on, its annotators' capped weight, the rubric's version and the policy that spoke.
"""

from clinic.training_rows.export import FORMATS, Export, export

__all__ = ["FORMATS", "Export", "export"]
