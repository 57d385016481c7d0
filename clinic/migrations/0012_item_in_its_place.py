"""Items are read in their place: the next one of a long queue is found without sorting the rest."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinic", "0011_published_versions_stand"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="queueitem",
            name="clinic_queu_queue_i_320533_idx",
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(fields=["queue", "position", "id"], name="item_in_its_place"),
        ),
    ]
