from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookshop", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Contact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Entity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("partition_key", models.CharField(max_length=100)),
                ("row_key", models.CharField(max_length=100)),
                ("properties", models.JSONField(default=dict)),
            ],
            options={
                "ordering": ["partition_key", "row_key"],
                "constraints": [
                    models.UniqueConstraint(fields=("partition_key", "row_key"), name="one_entity_by_its_keys")
                ],
            },
        ),
    ]
