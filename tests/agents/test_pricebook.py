"""What providers cost: from the dated file, and from the table once it is loaded."""

import json
from datetime import date
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from agents import pricebook, pricefile
from agents.models import PriceEntry
from agents.providers import PROVIDERS, Role

pytestmark = pytest.mark.db

TODAY = date(2026, 11, 21)


@pytest.mark.django_db
class TestTheFile:
    def test_every_provider_of_the_catalogue_has_one_usual_model(self):
        book = pricefile.read(pricefile.newest())
        usual = [price.provider for price in book.prices if price.default]
        assert sorted(usual) == sorted(PROVIDERS)

    def test_every_price_is_of_a_provider_and_in_the_units_of_its_role(self):
        units = {
            Role.STT: {"audio_min"},
            Role.LLM: {"input_mtok", "cached_mtok", "output_mtok"},
            Role.TTS: {"characters_m"},
        }
        for price in pricefile.read(pricefile.newest()).prices:
            provider = PROVIDERS[price.provider]
            given = {unit for unit in pricefile.UNITS if getattr(price, unit) is not None}
            assert given == units[provider.role], price
            assert price.source
            assert price.estimate_ms > 0
            if provider.local:
                assert {getattr(price, unit) for unit in given} == {Decimal(0)}

    def test_every_voice_is_of_a_voice_provider_and_found_by_its_language(self):
        for slug, voices in pricefile.read(pricefile.newest()).voices.items():
            assert PROVIDERS[slug].role is Role.TTS
            for voice, tags in voices.known.items():
                assert pricebook.languages(slug, voice) == (tags[0].partition("-")[0],)

    def test_tiers_name_models_which_have_a_price(self):
        assert set(pricebook.tiers()) == {"ultra", "fast", "balanced", "local"}
        for members in pricebook.tiers().values():
            assert set(members) == {role.value for role in Role}
            assert all(PROVIDERS[slug].role == role for role, (slug, _) in members.items())
            assert pricebook.per_minute(members.values()) is not None

    def test_a_file_which_is_no_price_book_says_so(self, tmp_path):
        path = tmp_path / "mine.json"
        path.write_text('{"date": "2026-11-21", "entries": [{"provider": "x"}]}')
        with pytest.raises(ValueError, match=r"mine\.json is no price book"):
            pricefile.read(path)


@pytest.mark.django_db
class TestAsking:
    @pytest.mark.parametrize(
        ("slug", "model"),
        [("openai-llm", "gpt-4o-mini"), ("deepgram-stt", "nova-3"), ("flite", ""), ("none", "")],
    )
    def test_the_usual_model(self, slug, model):
        assert pricebook.default_model(slug) == model

    @pytest.mark.parametrize(
        ("model", "output"),
        [
            ("gpt-4o", "10"),
            ("gpt-4o-mini", "0.6"),
            ("gpt-4o-mini-2024-07-18", "0.6"),
            ("gpt-4o-latest", "10"),
            ("", "0.6"),
        ],
    )
    def test_an_edition_costs_what_its_model_costs(self, model, output):
        price = pricebook.price_of("openai-llm", model)
        assert price is not None
        assert price.output_mtok == Decimal(output)

    def test_a_family_has_a_price_and_the_longest_name_wins(self):
        thalia = pricebook.price_of("deepgram-tts", "aura-2-thalia-en")
        older = pricebook.price_of("deepgram-tts", "aura-asteria-en")
        assert thalia is not None
        assert older is not None
        assert (thalia.characters_m, older.characters_m) == (Decimal(30), Decimal(15))

    def test_nobody_knows_the_price_of_a_model_which_is_not_in_the_book(self):
        assert pricebook.price_of("openai-llm", "gpt-4o-audio-preview") is None
        assert pricebook.per_minute([("openai-llm", "gpt-9"), ("flite", "")]) is None

    def test_any_model_on_an_own_server_is_free(self):
        price = pricebook.price_of("ollama", "our-own:13b")
        assert price is not None
        assert price.output_mtok == 0
        assert price.estimate_ms == pricebook.estimate_ms("ollama")

    def test_a_typical_minute(self):
        members = [("deepgram-stt", "nova-3"), ("openai-llm", ""), ("cartesia-tts", "")]
        # 0.0048 a minute + 1200 × 0.15 + 240 × 0.60 + 400 × 50 a million
        assert pricebook.per_minute(members) == Decimal("0.025124")

    @pytest.mark.parametrize(
        ("slug", "language", "voice"),
        [
            ("kokoro", "en", "af_bella"),
            ("kokoro", "en-GB", "bf_emma"),
            ("kokoro", "fr-CA", "ff_siwis"),
            ("kokoro", "de", ""),
            ("piper", "de", "de_DE-thorsten-medium"),
            ("openai-tts", "de", "ash"),
            ("melotts", "xx", ""),
        ],
    )
    def test_a_voice_for_a_language(self, slug, language, voice):
        assert pricebook.default_voice(slug, language) == voice

    @pytest.mark.parametrize(
        ("slug", "voice", "languages"),
        [
            ("piper", "sv_SE-nst-medium", ("sv",)),  # not in the list: its name tells
            ("deepgram-tts", "aura-2-nestor-es", ("es",)),
            ("kokoro", "ff_siwis", ("fr",)),
            ("kokoro", "my_own", ()),
            ("kokoro", "", ("en", "es", "fr", "hi", "it", "ja", "pt", "zh")),
            ("openai-tts", "ash", ()),
            ("openai-tts", "", ()),
            ("flite", "", ("en",)),
            ("sphinx", "", ("en",)),
            ("deepgram-stt", "", ()),
            ("zonos", "anna.wav", ("en", "ja", "zh", "fr", "de")),
        ],
    )
    def test_languages(self, slug, voice, languages):
        assert pricebook.languages(slug, voice) == languages

    def test_languages_of_a_model(self):
        assert pricebook.languages("deepgram-flux", model="flux-general-multi") == ()
        assert pricebook.languages("deepgram-flux") == ("en",)

    def test_models_for_a_form_begin_with_the_usual_one(self):
        assert pricebook.models("deepgram-stt") == ["nova-3", "nova-2"]

    def test_a_model_which_ends_is_known_to_end(self):
        assert pricebook.retires("openai-llm", "gpt-4o-mini") == date(2027, 1, 14)
        assert pricebook.retires("openai-llm", "gpt-6-luna") is None


@pytest.mark.django_db
class TestTheTable:
    def test_loading_takes_the_file_as_it_is_and_may_be_repeated(self, capsys):
        call_command("loadprices")
        assert f"{PriceEntry.objects.count()} added" in capsys.readouterr().out
        before = list(PriceEntry.objects.values_list())
        call_command("loadprices")
        assert f"{len(before)} unchanged" in capsys.readouterr().out
        assert list(PriceEntry.objects.values_list()) == before
        assert {entry.price() for entry in PriceEntry.objects.all()} == set(
            pricefile.read(pricefile.newest()).prices
        )

    def test_the_table_is_asked_before_the_file(self):
        call_command("loadprices")
        entry = PriceEntry.objects.get(provider="deepgram-stt", model="nova-3")
        assert pricebook.per_minute([("deepgram-stt", "nova-3")]) == Decimal("0.0048")
        entry.audio_min = Decimal("0.002")
        entry.save()
        assert pricebook.per_minute([("deepgram-stt", "nova-3")]) == Decimal("0.002")

    def test_what_a_person_entered_stays(self, tmp_path):
        call_command("loadprices")
        PriceEntry.objects.filter(model="nova-3").update(audio_min="0.002", edited=True)
        call_command("loadprices", newer(tmp_path, **{"nova-3": "0.009", "whisper-1": "0.007"}))
        assert PriceEntry.objects.get(model="nova-3").audio_min == Decimal("0.002")
        assert PriceEntry.objects.filter(model="whisper-1").count() == 2

    def test_a_new_price_is_a_new_row_and_older_calls_keep_the_older_one(self, tmp_path):
        call_command("loadprices")
        call_command("loadprices", newer(tmp_path, **{"whisper-1": "0.007"}))
        on = [date(2026, 1, 1), TODAY, date(2026, 12, 31), date(2027, 1, 1)]
        prices = [pricebook.price_of("openai-stt", "whisper-1", on=day) for day in on]
        assert [p and p.audio_min for p in prices] == [
            Decimal("0.006"), Decimal("0.006"), Decimal("0.006"), Decimal("0.007")
        ]  # fmt: skip

    def test_a_file_which_was_corrected_corrects(self, tmp_path):
        call_command("loadprices")
        path = newer(tmp_path, dated="2026-11-21", **{"whisper-1": "0.007"})
        call_command("loadprices", path)
        assert PriceEntry.objects.get(model="whisper-1").audio_min == Decimal("0.007")

    def test_the_usual_model_a_person_chose_stays_usual(self, tmp_path):
        call_command("loadprices")
        PriceEntry.objects.filter(model="gpt-6-luna").update(is_default=True, edited=True)
        pricebook.forget()
        assert pricebook.default_model("openai-llm") == "gpt-6-luna"
        call_command("loadprices", newer(tmp_path))
        assert pricebook.default_model("openai-llm") == "gpt-6-luna"

    def test_the_usual_model_keeps_its_newest_price(self):
        call_command("loadprices")
        PriceEntry.objects.create(
            provider="openai-llm",
            model="gpt-4o-mini",
            output_mtok=2,
            valid_from=TODAY.replace(day=22),
        )
        tomorrow = pricebook.price_of("openai-llm", "", on=date(2026, 11, 22))
        assert tomorrow is not None
        assert tomorrow.output_mtok == 2

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(CommandError, match="nowhere"):
            call_command("loadprices", tmp_path / "nowhere.json")


def newer(folder, *, dated: str = "2027-01-01", **minutes: str):
    """The file as it is, of another day and with other prices a minute."""
    raw = json.loads(pricefile.newest().read_text()) | {"date": dated}
    for entry in raw["entries"]:
        if entry["model"] in minutes:
            entry["audio_min"] = minutes[entry["model"]]
    path = folder / "pricebook.json"
    path.write_text(json.dumps(raw))
    return path


@pytest.mark.django_db
class TestTheAdmin:
    @pytest.fixture(autouse=True)
    def book(self, admin_client):
        call_command("loadprices")
        self.client = admin_client

    def form(self, **values):
        usual = {
            "provider": "openai-llm", "model": "gpt-9", "valid_from": "2100-01-01",
            "input_mtok": "1", "output_mtok": "2", "estimate_ms": "300", "languages": "en, de",
            "source": "our contract",
        }  # fmt: skip
        return usual | values

    def test_the_list_tells_prices_in_words(self):
        page = self.client.get("/admin/agents/priceentry/?provider=openai-llm").content.decode()
        assert "0.15 in, 0.075 cached, 0.6 out a million tokens" in page
        assert "2027-01-14" in page
        assert "Deepgram Aura · voice" in page  # the filter
        assert "eleven_flash" not in page

    def test_a_price_is_added(self):
        answer = self.client.post("/admin/agents/priceentry/add/", self.form(is_default="on"))
        assert answer.status_code == 302, answer.context["errors"]
        entry = PriceEntry.objects.get(model="gpt-9")
        assert entry.edited
        assert entry.languages == ["en", "de"]
        assert pricebook.default_model("openai-llm") == "gpt-9"
        assert PriceEntry.objects.filter(provider="openai-llm", is_default=True).count() == 1

    def test_saving_as_new_keeps_the_older_price(self):
        old = PriceEntry.objects.get(model="gpt-4o-mini")
        form = self.form(model="gpt-4o-mini", _saveasnew="1")
        answer = self.client.post(f"/admin/agents/priceentry/{old.pk}/change/", form)
        assert answer.status_code == 302
        assert PriceEntry.objects.filter(model="gpt-4o-mini").count() == 2
        page = self.client.get("/admin/agents/priceentry/?q=gpt-4o-mini").content.decode()
        assert "2100-01-01, coming" in page

    def test_two_prices_from_one_day_are_refused_with_a_sentence(self):
        form = self.form(model="gpt-4o", valid_from="2026-11-21")
        page = self.client.post("/admin/agents/priceentry/add/", form).content.decode()
        assert "Change that one, or choose another day." in page

    def test_a_row_without_a_price_is_refused(self):
        form = self.form(input_mtok="", output_mtok="")
        page = self.client.post("/admin/agents/priceentry/add/", form).content.decode()
        assert "Enter at least one price; 0 if it costs nothing." in page

    def test_opening_one_shows_its_values(self):
        entry = PriceEntry.objects.get(model="universal-streaming-english")
        page = self.client.get(f"/admin/agents/priceentry/{entry.pk}/change/").content.decode()
        assert 'value="en"' in page
        assert 'value="0.0025"' in page
        assert "Save as new" in page
