"""A criterion whose version is in force, or was, can be neither changed nor removed nor joined by another."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION published_criteria_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM clinic_rubricversion v
        WHERE v.status IN ('published', 'retired')
          AND (TG_OP <> 'INSERT' AND v.id = OLD.version_id OR TG_OP <> 'DELETE' AND v.id = NEW.version_id)
    ) THEN
        RAISE EXCEPTION 'the criteria of a published rubric version never change: make a new version';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER published_criteria_stand BEFORE INSERT OR UPDATE OR DELETE ON clinic_rubriccriterion
FOR EACH ROW EXECUTE FUNCTION published_criteria_stand();
"""
BACKWARD = """
DROP TRIGGER published_criteria_stand ON clinic_rubriccriterion;
DROP FUNCTION published_criteria_stand();
"""


class Migration(migrations.Migration):
    dependencies = [("clinic", "0009_physicians_judge")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
