"""The language world model: which consultation it answers in, and what it drew."""

import django.db.models.deletion
from django.db import migrations, models

# As for simulated results: the pair (case, kind) is the foreign key, so no draw and no consultation on the language
# world can be, or become, a real patient's.
KIND_TRAVELS = """
ALTER TABLE clinic_worlddraw ADD CONSTRAINT world_draw_case_and_kind
    FOREIGN KEY (case_id, case_kind) REFERENCES clinic_case (id, kind) ON UPDATE RESTRICT ON DELETE CASCADE;
ALTER TABLE clinic_consultation ADD CONSTRAINT consultation_world_case_and_kind
    FOREIGN KEY (case_id, world_case_kind) REFERENCES clinic_case (id, kind) ON UPDATE RESTRICT ON DELETE CASCADE;
"""
KIND_TRAVELS_BACK = """
ALTER TABLE clinic_worlddraw DROP CONSTRAINT world_draw_case_and_kind;
ALTER TABLE clinic_consultation DROP CONSTRAINT consultation_world_case_and_kind;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("clinic", "0007_consultation_room"),
    ]

    operations = [
        migrations.CreateModel(
            name="WorldDraw",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                (
                    "case_kind",
                    models.CharField(
                        choices=[("patient", "Real patient"), ("record", "Published record"), ("virtual", "Virtual")],
                        max_length=10,
                        null=True,
                    ),
                ),
                ("examination", models.CharField(max_length=200)),
                ("text", models.TextField(blank=True)),
                ("accepted", models.BooleanField()),
                ("tries", models.JSONField(default=list)),
                ("model", models.CharField(max_length=160)),
                ("version", models.CharField(max_length=80)),
                ("seed", models.BigIntegerField()),
                ("temperature", models.FloatField()),
                ("seconds", models.FloatField(default=0.0)),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddField(
            model_name="consultation",
            name="world",
            field=models.CharField(
                choices=[("own", "The case's own world"), ("language", "Language world model")],
                default="own",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="consultation",
            name="world_case_kind",
            field=models.CharField(
                blank=True, help_text="The case's kind, where a language world answers.", max_length=10, null=True
            ),
        ),
        migrations.AddField(
            model_name="consultation",
            name="world_seed",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="consultation",
            name="world_version",
            field=models.ForeignKey(
                blank=True,
                help_text="The world model's, pinned from the first result to the last.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="clinic.modelversion",
            ),
        ),
        migrations.AddField(
            model_name="simulatedresult",
            name="model",
            field=models.CharField(
                blank=True, help_text="The name of the model that wrote it, if one did.", max_length=160
            ),
        ),
        migrations.AddConstraint(
            model_name="consultation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("world", "own"),
                        ("world_case_kind__isnull", True),
                        ("world_seed__isnull", True),
                        ("world_version__isnull", True),
                    ),
                    models.Q(
                        ("world", "language"),
                        ("world_case_kind__in", ["record", "virtual"]),
                        ("world_case_kind__isnull", False),
                        ("world_seed__isnull", False),
                        ("world_version__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="language_world_never_on_a_real_patient",
            ),
        ),
        migrations.AddField(
            model_name="worlddraw",
            name="case",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="world_draws", to="clinic.case"
            ),
        ),
        migrations.AddIndex(
            model_name="worlddraw",
            index=models.Index(fields=["case", "examination"], name="clinic_worl_case_id_6ef203_idx"),
        ),
        migrations.AddConstraint(
            model_name="worlddraw",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("case__isnull", True), ("case_kind__isnull", True)),
                    models.Q(
                        ("case__isnull", False),
                        ("case_kind__in", ["record", "virtual"]),
                        ("case_kind__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="draw_never_on_a_real_patient",
            ),
        ),
        migrations.AddConstraint(
            model_name="worlddraw",
            constraint=models.CheckConstraint(
                condition=models.Q(("accepted", True), ("text", ""), _connector="OR"), name="draw_rejected_has_no_text"
            ),
        ),
        migrations.RunSQL(KIND_TRAVELS, KIND_TRAVELS_BACK),
    ]
