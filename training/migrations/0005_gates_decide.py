"""A gate passes only on its own checks, signatures are two people's, and nothing serves round either.

The services say the same in sentences; this holds for any UPDATE, whoever writes it.
"""

from django.db import migrations

GATES = """
CREATE FUNCTION gate_passes_on_its_checks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status IN ('passed', 'failed', 'undecided') THEN
            RAISE EXCEPTION 'a gate is decided after it was played, never before';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.status IN ('passed', 'failed', 'undecided') THEN
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'a decided gate is never removed';
        END IF;
        IF (NEW.status, NEW.candidate_id, NEW.baseline_id, NEW.site_id, NEW.profile, NEW.profile_digest, NEW."primary",
            NEW.seed, NEW.n, NEW.by_id)
           IS DISTINCT FROM
           (OLD.status, OLD.candidate_id, OLD.baseline_id, OLD.site_id, OLD.profile, OLD.profile_digest, OLD."primary",
            OLD.seed, OLD.n, OLD.by_id) THEN
            RAISE EXCEPTION 'a decided gate never changes';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF (NEW.candidate_id, NEW.baseline_id, NEW.profile, NEW.profile_digest, NEW."primary", NEW.seed)
       IS DISTINCT FROM
       (OLD.candidate_id, OLD.baseline_id, OLD.profile, OLD.profile_digest, OLD."primary", OLD.seed) THEN
        RAISE EXCEPTION 'what a gate compares, and by which endpoint, is named before it begins';
    END IF;
    IF NEW.status = 'passed' THEN
        IF NEW.n < 200 AND NEW.profile <> 'demo' THEN
            RAISE EXCEPTION 'a gate needs 200 paired cases, this one has %', NEW.n;
        END IF;
        IF NOT EXISTS (
            SELECT 1 FROM training_gatecheck c WHERE c.gate_id = NEW.id AND c.kind = 'primary'
              AND c.name = NEW."primary" AND c.outcome = 'passed' AND c.n > 0 AND c.low > 0
        ) THEN
            RAISE EXCEPTION 'a gate passes only with its primary endpoint improved';
        END IF;
        IF EXISTS (
            SELECT 1 FROM training_gatecheck c WHERE c.gate_id = NEW.id AND c.kind <> 'informative'
              AND (c.outcome IN ('failed', 'undecided') OR c.outcome = 'not_run' AND NOT c.may_be_missing)
        ) THEN
            RAISE EXCEPTION 'a gate with a check that did not pass does not pass';
        END IF;
        IF EXISTS (
            SELECT 1 FROM training_gatecheck c WHERE c.gate_id = NEW.id AND c.kind = 'non_inferior'
              AND c.outcome = 'passed' AND (c.low > -c.margin OR c.high < c.margin) IS NOT TRUE
        ) THEN
            RAISE EXCEPTION 'a check passed although its interval reaches its margin';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER gate_passes_on_its_checks BEFORE INSERT OR UPDATE OR DELETE ON training_gate
FOR EACH ROW EXECUTE FUNCTION gate_passes_on_its_checks();

CREATE FUNCTION checks_of_decided_gates_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM training_gate g WHERE g.status IN ('passed', 'failed', 'undecided')
          AND (TG_OP <> 'INSERT' AND g.id = OLD.gate_id OR TG_OP <> 'DELETE' AND g.id = NEW.gate_id)
    ) THEN
        RAISE EXCEPTION 'the checks of a decided gate never change';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER checks_of_decided_gates_stand BEFORE INSERT OR UPDATE OR DELETE ON training_gatecheck
FOR EACH ROW EXECUTE FUNCTION checks_of_decided_gates_stand();
"""

RECORDS = """
CREATE FUNCTION signed_records_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND EXISTS (SELECT 1 FROM training_signature s WHERE s.record_id = OLD.id) THEN
        RAISE EXCEPTION 'a signed change record never changes';
    END IF;
    IF TG_OP <> 'DELETE' AND NOT EXISTS (
        SELECT 1 FROM training_gate g WHERE g.id = NEW.gate_id AND g.status = 'passed'
    ) THEN
        RAISE EXCEPTION 'a change record is written of a gate that was passed';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER signed_records_stand BEFORE INSERT OR UPDATE OR DELETE ON training_changerecord
FOR EACH ROW EXECUTE FUNCTION signed_records_stand();

CREATE FUNCTION signatures_are_two_peoples() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'a signature is never changed or taken back';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM training_changerecord r
        JOIN training_gate g ON g.id = r.gate_id
        JOIN clinic_user u ON u.id = NEW.by_id
        WHERE r.id = NEW.record_id AND r.digest = NEW.digest AND g.status = 'passed'
          AND u.is_active AND u.site_id = g.site_id
          AND (NEW.role, u.role) IN (('physician', 'adjudicator'), ('admin', 'admin'))
    ) THEN
        RAISE EXCEPTION 'an adjudicator signs as physician and an administrator as such, what they read, at their site';
    END IF;
    IF EXISTS (
        SELECT 1 FROM training_changerecord r
        JOIN training_gate g ON g.id = r.gate_id
        JOIN training_run t ON t.version_id = g.candidate_id
        WHERE r.id = NEW.record_id AND t.by_id = NEW.by_id
    ) THEN
        RAISE EXCEPTION 'who started the run does not sign for it';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER signatures_are_two_peoples BEFORE INSERT OR UPDATE OR DELETE ON training_signature
FOR EACH ROW EXECUTE FUNCTION signatures_are_two_peoples();
"""

SERVING = """
CREATE FUNCTION version_is_cleared(wanted bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM training_gate g
        JOIN training_changerecord r ON r.gate_id = g.id
        JOIN training_signature p ON p.record_id = r.id AND p.role = 'physician' AND p.digest = r.digest
        JOIN training_signature a ON a.record_id = r.id AND a.role = 'admin' AND a.digest = r.digest
        WHERE g.candidate_id = wanted AND g.status = 'passed' AND p.by_id <> a.by_id
          AND NOT EXISTS (
              SELECT 1 FROM training_run t WHERE t.version_id = wanted AND t.by_id IN (p.by_id, a.by_id)
          )
    ) AND (
        NOT EXISTS (SELECT 1 FROM training_gate g WHERE g.candidate_id = wanted AND g.status = 'failed')
        -- What served before may come back, whatever it was compared with since.
        OR EXISTS (
            SELECT 1 FROM clinic_statuschange c
            WHERE c.noun = 'modelversion' AND c.target = wanted::text AND c.new = 'serving'
        )
    )
$$;

CREATE FUNCTION trained_versions_pass_a_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.role = 'agent' AND NEW.status IN ('serving', 'canary')
       AND EXISTS (SELECT 1 FROM training_run t WHERE t.version_id = NEW.id)
       AND NOT version_is_cleared(NEW.id) THEN
        RAISE EXCEPTION 'a version that a run made serves after a passed gate and two signatures, not before';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trained_versions_pass_a_gate BEFORE INSERT OR UPDATE OF status, role ON clinic_modelversion
FOR EACH ROW EXECUTE FUNCTION trained_versions_pass_a_gate();

CREATE FUNCTION runs_keep_their_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.version_id IS NOT NULL THEN
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'a run that made a version is never removed';
        END IF;
        IF (NEW.version_id, NEW.by_id) IS DISTINCT FROM (OLD.version_id, OLD.by_id) THEN
            RAISE EXCEPTION 'a run keeps the version that it made, and who started it';
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.version_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM clinic_modelversion v
        WHERE v.id = NEW.version_id AND v.role = 'agent' AND v.status IN ('serving', 'canary')
          AND (TG_OP = 'INSERT' OR OLD.version_id IS NULL)
    ) THEN
        RAISE EXCEPTION 'what a run made cannot serve already';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER runs_keep_their_version BEFORE INSERT OR UPDATE OR DELETE ON training_run
FOR EACH ROW EXECUTE FUNCTION runs_keep_their_version();
"""

BACKWARD = """
DROP TRIGGER runs_keep_their_version ON training_run;
DROP FUNCTION runs_keep_their_version();
DROP TRIGGER trained_versions_pass_a_gate ON clinic_modelversion;
DROP FUNCTION trained_versions_pass_a_gate();
DROP FUNCTION version_is_cleared(bigint);
DROP TRIGGER signatures_are_two_peoples ON training_signature;
DROP FUNCTION signatures_are_two_peoples();
DROP TRIGGER signed_records_stand ON training_changerecord;
DROP FUNCTION signed_records_stand();
DROP TRIGGER checks_of_decided_gates_stand ON training_gatecheck;
DROP FUNCTION checks_of_decided_gates_stand();
DROP TRIGGER gate_passes_on_its_checks ON training_gate;
DROP FUNCTION gate_passes_on_its_checks();
"""


class Migration(migrations.Migration):
    dependencies = [("clinic", "0013_endpoint_identity"), ("training", "0004_learning_loop")]
    operations = [migrations.RunSQL(GATES + RECORDS + SERVING, BACKWARD)]
