import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_chains"),
    ]

    operations = [
        migrations.CreateModel(
            name='PriceEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=32)),
                ('model', models.CharField(blank=True, help_text='As the provider writes it. A last * stands for any ending; empty: the only model this provider has.', max_length=120)),
                ('valid_from', models.DateField(default=django.utils.timezone.localdate, verbose_name='valid from')),
                ('input_mtok', models.DecimalField(blank=True, decimal_places=8, help_text='USD per million.', max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='input tokens')),
                ('cached_mtok', models.DecimalField(blank=True, decimal_places=8, help_text='USD per million.', max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='cached input tokens')),
                ('output_mtok', models.DecimalField(blank=True, decimal_places=8, help_text='USD per million.', max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='output tokens')),
                ('characters_m', models.DecimalField(blank=True, decimal_places=8, help_text='USD per million.', max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='characters')),
                ('audio_min', models.DecimalField(blank=True, decimal_places=8, help_text='USD per minute.', max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='audio')),
                ('estimate_ms', models.PositiveIntegerField(default=0, help_text='An estimate until calls are measured. 0: unknown.', verbose_name='first result (ms)')),
                ('is_default', models.BooleanField(default=False, help_text='Used where an account names no model.', verbose_name='usual model')),
                ('languages', models.JSONField(blank=True, default=list, help_text='Language tags; empty: no limit known.')),
                ('retires', models.DateField(blank=True, help_text='The day the provider switches the model off.', null=True, verbose_name='ends on')),
                ('source', models.CharField(blank=True, help_text='Where the price is from.', max_length=250)),
                ('edited', models.BooleanField(default=True, editable=False, help_text='Loading a newer file leaves this one and its model alone.', verbose_name='by hand')),
            ],
            options={
                'verbose_name': 'price',
                'ordering': ('provider', 'model', '-valid_from'),
            },
        ),
        migrations.AddConstraint(
            model_name='priceentry',
            constraint=models.UniqueConstraint(fields=('provider', 'model', 'valid_from'), name='one_price_a_day', violation_error_message='This model has a price from that day on already. Change that one, or choose another day.'),
        ),
        migrations.CreateModel(
            name='CheaperOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('cheaper', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='agents.publishedplan')),
                ('normal', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='agents.publishedplan')),
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='cheaper_order', to='agents.project')),
            ],
        ),
    ]
