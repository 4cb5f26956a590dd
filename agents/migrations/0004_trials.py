import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_prices"),
    ]

    operations = [
        migrations.CreateModel(
            name='ProviderTrial',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('stt', 'stt'), ('llm', 'llm'), ('tts', 'tts')], max_length=3)),
                ('model', models.CharField(blank=True, max_length=120)),
                ('voice', models.CharField(blank=True, max_length=80)),
                ('language', models.CharField(default='en', max_length=16)),
                ('text', models.CharField(max_length=300)),
                ('state', models.CharField(choices=[('pending', 'Waits for a worker'), ('running', 'A worker is at it'), ('done', 'Done'), ('lost', 'Lost')], default='pending', max_length=7)),
                ('asked_at', models.DateTimeField()),
                ('asked_by', models.CharField(blank=True, max_length=150)),
                ('taken_at', models.DateTimeField(blank=True, null=True)),
                ('done_at', models.DateTimeField(blank=True, null=True)),
                ('ok', models.BooleanField(default=False)),
                ('ms', models.PositiveIntegerField(default=0, help_text='Until the first result.')),
                ('answer', models.TextField(blank=True, help_text='What was understood or answered.')),
                ('error', models.TextField(blank=True, help_text="In the provider's own words.")),
                ('sound', models.BinaryField(default=b'', help_text='WAV, of a voice.', max_length=2097152)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trials', to='agents.provideraccount')),
            ],
            options={
                'indexes': [models.Index(fields=['state'], name='trials_by_state')],
            },
        ),
    ]
