import django.db.models.deletion
from django.db import migrations, models

POSTGRESQL = (
    # words are in the index's form already (recordings/words.py): nothing to stem, nothing to drop
    """
    ALTER TABLE recordings_spokenturn ADD COLUMN terms tsvector
        GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, words)) STORED
    """,
    # without a pending list, which every search would have to read through
    """
    CREATE INDEX spoken_turn_terms ON recordings_spokenturn USING gin (terms)
        WITH (fastupdate = off)
    """,
)
SQLITE = (
    """
    CREATE VIRTUAL TABLE recordings_spoken_fts USING fts5(
        words, content='recordings_spokenturn', content_rowid='id',
        tokenize='unicode61 remove_diacritics 0'
    )
    """,
    """
    CREATE TRIGGER recordings_spoken_added AFTER INSERT ON recordings_spokenturn BEGIN
        INSERT INTO recordings_spoken_fts(rowid, words) VALUES (new.id, new.words);
    END
    """,
    """
    CREATE TRIGGER recordings_spoken_gone AFTER DELETE ON recordings_spokenturn BEGIN
        INSERT INTO recordings_spoken_fts(recordings_spoken_fts, rowid, words)
            VALUES ('delete', old.id, old.words);
    END
    """,
    """
    CREATE TRIGGER recordings_spoken_changed AFTER UPDATE OF words ON recordings_spokenturn BEGIN
        INSERT INTO recordings_spoken_fts(recordings_spoken_fts, rowid, words)
            VALUES ('delete', old.id, old.words);
        INSERT INTO recordings_spoken_fts(rowid, words) VALUES (new.id, new.words);
    END
    """,
)
NO_MORE = {
    "postgresql": ("ALTER TABLE recordings_spokenturn DROP COLUMN IF EXISTS terms",),
    "sqlite": (
        "DROP TRIGGER IF EXISTS recordings_spoken_added",
        "DROP TRIGGER IF EXISTS recordings_spoken_gone",
        "DROP TRIGGER IF EXISTS recordings_spoken_changed",
        "DROP TABLE IF EXISTS recordings_spoken_fts",
    ),
}


def make_the_index(apps, schema_editor):
    """Each database's own full-text search; the models know nothing of it (spoken_index.py)."""
    vendor = schema_editor.connection.vendor
    for statement in {"postgresql": POSTGRESQL, "sqlite": SQLITE}[vendor]:
        schema_editor.execute(statement)


def drop_the_index(apps, schema_editor):
    for statement in NO_MORE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0005_menus'),
        ('recordings', '0003_profiles'),
        ('telephony', '0015_tidy'),
    ]

    operations = [
        migrations.CreateModel(
            name='SpokenTurn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.PositiveIntegerField(help_text="Place among the transcript's segments, from 0.")),
                ('who', models.CharField(max_length=8)),
                ('text', models.TextField()),
                ('words', models.TextField(help_text='As the index knows them: recordings/words.py.')),
                ('start_ms', models.IntegerField()),
                ('end_ms', models.IntegerField()),
                ('via', models.CharField(blank=True, max_length=16)),
                ('interrupted', models.BooleanField(default=False)),
                ('confidence', models.FloatField(blank=True, null=True)),
                ('provider', models.CharField(blank=True, help_text='Who wrote it down (caller) or thought of it (bot).', max_length=32)),
                ('started_at', models.DateTimeField()),
                ('call', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='spoken', to='telephony.call')),
                ('project', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='agents.project')),
            ],
            options={
                'verbose_name': 'conversation',
                'verbose_name_plural': 'search in conversations',
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('call', 'n'), name='spoken_turn_once')],
            },
        ),
        migrations.AddField(
            model_name='transcript',
            name='spoken_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='Since when its turns can be searched.', null=True),
        ),
        migrations.AddIndex(
            model_name='journalentry',
            index=models.Index(condition=models.Q(('kind__in', ['error', 'switch'])), fields=['call', 'kind'], name='entry_of_a_fault'),
        ),
        migrations.AddIndex(
            model_name='transcript',
            index=models.Index(condition=models.Q(('spoken_at', None)), fields=['-id'], name='transcript_unsearchable'),
        ),
        migrations.RunPython(make_the_index, drop_the_index),
    ]
