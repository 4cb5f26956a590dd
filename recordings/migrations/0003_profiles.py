import django.db.models.deletion
import recordings.models_profiles
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0005_menus'),
        ('recordings', '0002_costs'),
        ('telephony', '0015_tidy'),
    ]

    operations = [
        migrations.CreateModel(
            name='RecordingProfile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('kind', models.CharField(choices=[('room', 'Whole room'), ('track_composite', "Track composite: the caller's tracks"), ('track', "Track: the caller's sound as it comes"), ('participant', 'Participant: the caller, with a picture')], default='room', max_length=16)),
                ('video', models.BooleanField(default=False, verbose_name='with video')),
                ('channels', models.CharField(choices=[('two', 'Two: caller left, agent right'), ('mixed', 'Mixed')], default='two', max_length=5)),
                ('format', models.CharField(choices=[('ogg', 'OGG (Opus)'), ('mp3', 'MP3'), ('mp4', 'MP4'), ('hls', 'HLS (pieces and a list)')], default='ogg', max_length=4)),
                ('sealed_rtmp', models.TextField(blank=True, editable=False)),
                ('sealed_websocket', models.TextField(blank=True, editable=False)),
                ('live_hosts', models.CharField(blank=True, editable=False, max_length=400, verbose_name='live to')),
            ],
            options={
                'verbose_name': 'recording profile',
            },
        ),
        migrations.AlterField(
            model_name='recording',
            name='state',
            field=models.CharField(choices=[('wanted', 'wanted'), ('starting', 'starting'), ('running', 'running'), ('paused', 'paused'), ('uploading', 'uploading'), ('stored', 'stored'), ('skipped', 'skipped'), ('failed', 'failed')], default='wanted', max_length=12),
        ),
        migrations.CreateModel(
            name='RecordingPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.PositiveSmallIntegerField(help_text='In the order of their beginning, from 1.')),
                ('source', models.CharField(choices=[('worker', 'Agent worker'), ('egress', 'LiveKit egress')], max_length=8)),
                ('state', models.CharField(choices=[('starting', 'Starting'), ('running', 'Recording'), ('uploading', 'Uploading'), ('stored', 'Stored'), ('sent', 'Sent live'), ('failed', 'Failed')], default='starting', max_length=12)),
                ('object_key', models.CharField(blank=True, help_text='Empty: only sent live.', max_length=255)),
                ('content_type', models.CharField(default='audio/ogg', max_length=64)),
                ('egress_id', models.CharField(blank=True, max_length=64)),
                ('asked_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('starts_ms', models.IntegerField(default=0, help_text="On the journal's clock.")),
                ('duration_ms', models.PositiveIntegerField(blank=True, null=True)),
                ('size', models.BigIntegerField(blank=True, null=True, verbose_name='bytes')),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('note', models.TextField(blank=True)),
                ('recording', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='recordings.recording')),
            ],
            options={
                'verbose_name': 'part of a recording',
                'verbose_name_plural': 'parts of recordings',
            },
        ),
        migrations.CreateModel(
            name='ProfileUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='recording_use', to='agents.project')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='recordings.recordingprofile')),
            ],
            options={
                'verbose_name': 'project',
                'verbose_name_plural': 'projects it is used for',
            },
        ),
        migrations.AddField(
            model_name='recording',
            name='profile',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='recordings.recordingprofile'),
        ),
        migrations.CreateModel(
            name='Store',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('endpoint', models.CharField(blank=True, help_text='As our own servers reach it: https://s3.eu-central-1.wasabisys.com. Empty: S3 of AWS in the region below.', max_length=200)),
                ('public_endpoint', models.CharField(blank=True, help_text='As browsers and workers reach it. Empty: the same.', max_length=200, verbose_name='public endpoint')),
                ('region', models.CharField(default='us-east-1', help_text='MinIO takes any: leave it as it is.', max_length=40)),
                ('bucket', models.CharField(max_length=63)),
                ('path_style', models.BooleanField(default=True, help_text='https://host/bucket/… as MinIO wants it. No: https://bucket.host/… as AWS does.', verbose_name='bucket in the path')),
                ('access_key', models.CharField(max_length=128)),
                ('sealed_secret', models.TextField(blank=True, editable=False)),
                ('role_arn', models.CharField(blank=True, help_text='ARN. The key above then only serves to take this role (STS).', max_length=200, verbose_name='role to assume')),
                ('encryption', models.CharField(blank=True, choices=[('', 'As the bucket does by itself'), ('AES256', "The store's own key (AES256)"), ('aws:kms', 'A key of a key service (KMS)')], default='', max_length=8)),
                ('kms_key', models.CharField(blank=True, help_text="Id or ARN. Empty: the account's default.", max_length=200, verbose_name='KMS key')),
                ('layout', models.CharField(default='{project}/{yyyy}/{mm}/{dd}/{call}', help_text='{call} is needed; besides there are {project}, {yyyy}, {mm}, {dd}, {hh}. The ending is added.', max_length=120, validators=[recordings.models_profiles.check_layout], verbose_name='names in the bucket')),
                ('tried_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last tried')),
                ('trial', models.TextField(blank=True, editable=False, verbose_name='what it said')),
                ('trial_ok', models.BooleanField(blank=True, editable=False, null=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('kms_key', ''), ('encryption', 'aws:kms'), _connector='OR'), name='store_kms_key_needs_kms')],
            },
        ),
        migrations.AddField(
            model_name='recordingprofile',
            name='store',
            field=models.ForeignKey(blank=True, help_text='Empty: the store of the environment (S3_…).', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='profiles', to='recordings.store'),
        ),
        migrations.AddField(
            model_name='recording',
            name='store',
            field=models.ForeignKey(blank=True, help_text='Empty: the store of the environment.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='recordings', to='recordings.store'),
        ),
        migrations.AddIndex(
            model_name='recording',
            index=models.Index(condition=models.Q(('state__in', ['paused', 'running', 'starting', 'uploading', 'wanted'])), fields=['state'], name='recording_open'),
        ),
        migrations.AddIndex(
            model_name='recordingpart',
            index=models.Index(condition=models.Q(('egress_id', ''), _negated=True), fields=['egress_id'], name='recording_part_egress'),
        ),
        migrations.AddIndex(
            model_name='recordingpart',
            index=models.Index(condition=models.Q(('state__in', ('starting', 'running', 'uploading'))), fields=['state'], name='recording_part_open'),
        ),
        migrations.AddIndex(
            model_name='recordingpart',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['ended_at'], name='recording_part_lost'),
        ),
        migrations.AddConstraint(
            model_name='recordingpart',
            constraint=models.UniqueConstraint(fields=('recording', 'n'), name='recording_part_once'),
        ),
        migrations.AddConstraint(
            model_name='recordingpart',
            constraint=models.UniqueConstraint(condition=models.Q(('object_key', ''), _negated=True), fields=('object_key',), name='recording_part_object'),
        ),
    ]
