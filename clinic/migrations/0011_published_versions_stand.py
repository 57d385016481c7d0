"""A published rubric version keeps its guideline and origin, and leaves its status for "replaced" alone.

Without it the criteria's trigger (0010) could be passed by taking a version back to "being written". One way out of
it is opened: purging a deleted case removes the case's own rubric with it.
"""

from django.db import migrations

CRITERIA = """
CREATE OR REPLACE FUNCTION published_criteria_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM clinic_rubricversion v
        JOIN clinic_rubric r ON r.id = v.rubric_id
        LEFT JOIN clinic_case c ON c.id = r.case_id
        WHERE v.status IN ('published', 'retired')
          AND (TG_OP <> 'INSERT' AND v.id = OLD.version_id OR TG_OP <> 'DELETE' AND v.id = NEW.version_id)
          AND NOT (TG_OP = 'DELETE' AND {purged})
    ) THEN
        RAISE EXCEPTION 'the criteria of a published rubric version never change: make a new version';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
"""
VERSIONS = """
CREATE FUNCTION published_versions_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status IN ('published', 'retired') AND (
        NEW.status <> OLD.status AND (OLD.status, NEW.status) <> ('published', 'retired')
        OR (NEW.rubric_id, NEW.number, NEW.guideline, NEW.origin, NEW.source, NEW.published_by_id, NEW.published_at)
           IS DISTINCT FROM
           (OLD.rubric_id, OLD.number, OLD.guideline, OLD.origin, OLD.source, OLD.published_by_id, OLD.published_at)
    ) THEN
        RAISE EXCEPTION 'a published rubric version never changes: make a new version';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER published_versions_stand BEFORE UPDATE ON clinic_rubricversion
FOR EACH ROW EXECUTE FUNCTION published_versions_stand();
"""
DROPPED = """
DROP TRIGGER published_versions_stand ON clinic_rubricversion;
DROP FUNCTION published_versions_stand();
"""
FORWARD = CRITERIA.format(purged="c.deleted_at IS NOT NULL") + VERSIONS
BACKWARD = DROPPED + CRITERIA.format(purged="false")


class Migration(migrations.Migration):
    dependencies = [("clinic", "0010_published_rubrics_stand")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
