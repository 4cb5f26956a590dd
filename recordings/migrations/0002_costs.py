import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0003_prices'),
        ('recordings', '0001_initial'),
        ('telephony', '0002_unknown_number'),
    ]

    operations = [
        migrations.CreateModel(
            name='Counter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200, unique=True)),
                ('value', models.DecimalField(decimal_places=6, default=0, max_digits=20)),
            ],
        ),
        migrations.CreateModel(
            name='CallCost',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(help_text='When the call came in.')),
                ('seconds', models.PositiveIntegerField(default=0, help_text='From the answer to the end.')),
                ('amount', models.DecimalField(decimal_places=6, default=0, max_digits=14)),
                ('currency', models.CharField(default='USD', max_length=3)),
                ('by_role', models.JSONField(default=dict, help_text='Role to amount, as text.')),
                ('unpriced', models.BooleanField(default=False, help_text='Something used has no price.')),
                ('missing', models.JSONField(default=list, help_text='Provider and model without a price.')),
                ('counted', models.JSONField(default=dict, help_text='What this call added to the counters.')),
                ('computed_at', models.DateTimeField()),
                ('call', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='cost', to='telephony.call')),
                ('project', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='agents.project')),
            ],
            options={
                'verbose_name': 'cost of a call',
                'verbose_name_plural': 'costs of calls',
            },
        ),
        migrations.CreateModel(
            name='MonthlyCost',
            fields=[
            ],
            options={
                'verbose_name': 'costs by month',
                'verbose_name_plural': 'costs by month',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('recordings.callcost',),
        ),
        migrations.CreateModel(
            name='OwnServers',
            fields=[
            ],
            options={
                'verbose_name': 'cloud or own servers',
                'verbose_name_plural': 'cloud or own servers',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('recordings.callcost',),
        ),
        migrations.CreateModel(
            name='ProjectBudget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('monthly_usd', models.DecimalField(decimal_places=2, help_text='Once this is spent, each chain begins with its cheapest member until the month is over. Calls which are on keep their providers.', max_digits=10, validators=[django.core.validators.MinValueValidator(0)], verbose_name='USD a month')),
                ('warn_at', models.PositiveIntegerField(default=80, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100)], verbose_name='warn at (%)')),
                ('warned_month', models.DateField(blank=True, editable=False, null=True)),
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='budget', to='agents.project')),
            ],
            options={
                'verbose_name': 'budget',
            },
        ),
        migrations.CreateModel(
            name='TurnFigure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.PositiveIntegerField(help_text="The bot's turns of a call, counted from 1.")),
                ('at', models.DateTimeField()),
                ('stt', models.CharField(blank=True, max_length=32)),
                ('llm', models.CharField(blank=True, max_length=32)),
                ('tts', models.CharField(blank=True, max_length=32)),
                ('total_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='total (ms)')),
                ('end_of_turn_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='end of turn (ms)')),
                ('vad_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='silence noticed (ms)')),
                ('stt_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='speech to text (ms)')),
                ('llm_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='first word (ms)')),
                ('tts_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='first sound (ms)')),
                ('pipeline_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='our own work (ms)')),
                ('cost', models.DecimalField(decimal_places=6, default=0, max_digits=12)),
                ('switched', models.BooleanField(default=False, help_text='A provider failed in this turn.')),
                ('call', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='figures', to='telephony.call')),
                ('project', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='agents.project')),
            ],
            options={
                'verbose_name': 'speed and cost',
                'verbose_name_plural': 'speed and cost',
            },
        ),
        migrations.AddIndex(
            model_name='callcost',
            index=models.Index(fields=['at'], name='cost_at'),
        ),
        migrations.AddIndex(
            model_name='callcost',
            index=models.Index(fields=['project', 'at'], name='cost_of_project_at'),
        ),
        migrations.AddIndex(
            model_name='turnfigure',
            index=models.Index(fields=['at'], name='turn_figure_at'),
        ),
        migrations.AddIndex(
            model_name='turnfigure',
            index=models.Index(fields=['project', 'at'], name='turn_figure_of_project_at'),
        ),
        migrations.AddConstraint(
            model_name='turnfigure',
            constraint=models.UniqueConstraint(fields=('call', 'n'), name='turn_figure_once'),
        ),
    ]
