"""Promises the database keeps by itself: append-only logs, no simulated result on a real patient's case."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION rounds_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON clinic_auditentry
    FOR EACH ROW EXECUTE FUNCTION rounds_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON clinic_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION rounds_append_only();
CREATE TRIGGER status_append_only BEFORE UPDATE OR DELETE ON clinic_statuschange
    FOR EACH ROW EXECUTE FUNCTION rounds_append_only();
"""
APPEND_ONLY_BACK = """
DROP TRIGGER audit_append_only ON clinic_auditentry;
DROP TRIGGER audit_no_truncate ON clinic_auditentry;
DROP TRIGGER status_append_only ON clinic_statuschange;
DROP FUNCTION rounds_append_only();
"""

# The pair (case, kind) is the foreign key, so neither a wrong kind nor a later change of kind gets past the check.
KIND_TRAVELS = """
ALTER TABLE clinic_case ADD CONSTRAINT case_id_and_kind UNIQUE (id, kind);
ALTER TABLE clinic_simulatedresult ADD CONSTRAINT simulated_result_case_and_kind
    FOREIGN KEY (case_id, case_kind) REFERENCES clinic_case (id, kind) ON UPDATE RESTRICT ON DELETE CASCADE;
"""
KIND_TRAVELS_BACK = """
ALTER TABLE clinic_simulatedresult DROP CONSTRAINT simulated_result_case_and_kind;
ALTER TABLE clinic_case DROP CONSTRAINT case_id_and_kind;
"""


class Migration(migrations.Migration):
    dependencies = [("clinic", "0001_initial")]
    operations = [
        migrations.RunSQL(APPEND_ONLY, APPEND_ONLY_BACK),
        migrations.RunSQL(KIND_TRAVELS, KIND_TRAVELS_BACK),
    ]
