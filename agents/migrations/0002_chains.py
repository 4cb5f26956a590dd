import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

ROLES = {"stt": "sphinx", "llm": "faq", "tts": "flite"}


def name_members(apps, schema_editor):
    """The one account of each role becomes the first member of the project's own chain."""
    Project = apps.get_model("agents", "Project")
    ChainMember = apps.get_model("agents", "ChainMember")
    ChainMember.objects.bulk_create(
        ChainMember(
            project=project,
            role=role,
            account_id=getattr(project, f"{role}_account_id"),
            voice=project.voice if role == "tts" else "",
        )
        for project in Project.objects.order_by("pk")
        for role in ROLES
    )


def name_accounts(apps, schema_editor):
    """Back: the first member stays; a project which had none gets the embedded provider."""
    Project = apps.get_model("agents", "Project")
    for project in Project.objects.order_by("pk"):
        for role, embedded in ROLES.items():
            member = project.members.filter(role=role).order_by("position", "pk").first()
            account = member.account if member else _embedded(apps, embedded)
            setattr(project, f"{role}_account_id", account.pk)
            if role == "tts":
                project.voice = member.voice if member else ""
        project.vad_preset = project.vad_preset or "conversation"
        project.save()


def _embedded(apps, slug):
    ProviderAccount = apps.get_model("agents", "ProviderAccount")
    found = ProviderAccount.objects.filter(provider=slug).order_by("pk").first()
    return found or ProviderAccount.objects.create(name=f"Embedded {slug}", provider=slug)


def account_of(role, label):
    """Empty for a while, so that the way back has a moment to fill it."""
    return migrations.AlterField(
        model_name="project",
        name=f"{role}_account",
        field=models.ForeignKey(
            null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+",
            to="agents.provideraccount", verbose_name=label,
        ),
    )


class Migration(migrations.Migration):
    # data and structure change together: SQLite rebuilds the tables anyway
    dependencies = [
        ("agents", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name='ChainMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('stt', 'Speech to text'), ('llm', 'Answers'), ('tts', 'Text to speech')], max_length=3)),
                ('position', models.PositiveIntegerField(default=0)),
                ('model', models.CharField(blank=True, max_length=120)),
                ('voice', models.CharField(blank=True, max_length=80)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='members', to='agents.provideraccount')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='members', to='agents.project')),
            ],
            options={
                'ordering': ('role', 'position', 'pk'),
            },
        ),
        account_of("stt", "speech to text"),
        account_of("llm", "answers"),
        account_of("tts", "text to speech"),
        migrations.RunPython(name_members, name_accounts),
        migrations.RemoveField(model_name='project', name='stt_account'),
        migrations.RemoveField(model_name='project', name='llm_account'),
        migrations.RemoveField(model_name='project', name='tts_account'),
        migrations.RemoveField(model_name='project', name='voice'),
        migrations.AlterField(
            model_name='project',
            name='vad_preset',
            field=models.CharField(blank=True, choices=[('fast_qa', 'Quick questions and answers'), ('conversation', 'Conversation'), ('noisy', 'Noisy lines'), ('thoughtful', 'Callers who think aloud')], help_text='Empty: the VAD_… variables decide.', max_length=16, verbose_name='listening'),
        ),
        migrations.AddField(
            model_name='faqentry',
            name='live',
            field=models.BooleanField(default=False, help_text='Never answered from the cache.', verbose_name='needs live data'),
        ),
        migrations.AddField(
            model_name='project',
            name='fallback_number',
            field=models.CharField(blank=True, help_text='As +12025550100: where callers go when every provider is down.', max_length=32),
        ),
        # a project which is there may speak another language: it says nothing until somebody writes it
        migrations.AddField(
            model_name='project',
            name='filler',
            field=models.TextField(blank=True, default='', help_text='Spoken when an answer takes long. Empty: the caller waits in silence.'),
        ),
        migrations.AlterField(
            model_name='project',
            name='filler',
            field=models.TextField(blank=True, default='One moment, please.', help_text='Spoken when an answer takes long. Empty: the caller waits in silence.'),
        ),
        migrations.AddField(
            model_name='project',
            name='mode',
            field=models.CharField(blank=True, choices=[('hybrid', 'Hybrid: cloud first, then our own servers'), ('api', 'Cloud only'), ('local', 'Nothing leaves the house'), ('project', 'Only what this project names')], help_text='Empty: AGENT_MODE decides.', max_length=8),
        ),
        migrations.AddField(
            model_name='project',
            name='tier',
            field=models.CharField(blank=True, choices=[('ultra', 'Ultra'), ('fast', 'Fast'), ('balanced', 'Balanced'), ('local', 'Local')], help_text='Fills speech to text, answers and text to speech at once. Empty: the environment decides. Providers named below go before both.', max_length=8, verbose_name='speed'),
        ),
        migrations.AddField(
            model_name='project',
            name='turn_detector',
            field=models.CharField(blank=True, choices=[('v1-mini', 'Bundled, many languages'), ('multilingual', 'Multilingual (needs a download)'), ('english', 'English (needs a download)')], help_text='Empty: TURN_DETECTOR_MODEL decides.', max_length=12, verbose_name='end of turn'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_eager_end',
            field=models.BooleanField(blank=True, help_text='Begin on words which are not final yet.', null=True, verbose_name='eager listening'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_expected_answer',
            field=models.BooleanField(blank=True, help_text='Wait less, or longer, by what was asked (yes or no, digits).', null=True, verbose_name='fitting patience'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_faq_cache',
            field=models.BooleanField(blank=True, help_text='Questions of the FAQ are answered without the model.', null=True, verbose_name='FAQ cache'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_filler',
            field=models.BooleanField(blank=True, help_text='A few words when an answer takes long.', null=True, verbose_name='filler'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_first_clause',
            field=models.BooleanField(blank=True, help_text='Speak after the first clause instead of the first sentence.', null=True, verbose_name='first clause'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_noise_suppression',
            field=models.BooleanField(blank=True, help_text="Takes noise out of the caller's line.", null=True, verbose_name='noise suppression'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_preemptive_llm',
            field=models.BooleanField(blank=True, help_text="The model begins before the caller's turn is surely over.", null=True, verbose_name='early answer'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_preemptive_tts',
            field=models.BooleanField(blank=True, help_text='The voice begins as early, too.', null=True, verbose_name='early voice'),
        ),
        migrations.AddField(
            model_name='project',
            name='use_prewarm',
            field=models.BooleanField(blank=True, help_text='Models are loaded and connections opened while it rings.', null=True, verbose_name='prewarm'),
        ),
        migrations.AddField(
            model_name='provideraccount',
            name='enabled',
            field=models.BooleanField(default=True, editable=False, help_text='No: its variables are gone from the environment.'),
        ),
        migrations.AddField(
            model_name='provideraccount',
            name='source',
            field=models.CharField(choices=[('desk', 'Entered here'), ('environment', 'Environment')], default='desk', editable=False, max_length=11, verbose_name='from'),
        ),
        migrations.AlterField(
            model_name='provideraccount',
            name='base_url',
            field=models.CharField(blank=True, help_text='Only for a server of your own or a compatible one.', max_length=200, validators=[django.core.validators.RegexValidator('^(https?|tcp)://[^\\s/@]+(/\\S*)?$', 'Write the whole address, as http://whisper:8000/v1, without name and password.')], verbose_name='base URL'),
        ),
        migrations.AddConstraint(
            model_name='provideraccount',
            constraint=models.UniqueConstraint(condition=models.Q(('source', 'environment')), fields=('provider',), name='environment_account_once'),
        ),
    ]
