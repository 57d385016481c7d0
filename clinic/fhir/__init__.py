"""A consultation as a FHIR R4 bundle, every part of it attributed to the person or the model that made it."""

from clinic.fhir.bundle import bundle_of

__all__ = ["bundle_of"]
