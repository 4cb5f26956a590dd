"""What a supervisor may type for lines, numbers and rules, and what he is told otherwise."""

import pytest
from django.conf import settings

from agents import seal
from telephony import push, shapes, wanted
from telephony.forms import DispatchRuleForm, NumberForm, TrunkForm
from telephony.models import DispatchRule, Number, Trunk
from telephony.sync import InboundTrunkSpec
from tests.factories import NOW, make_project, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+12025550100", "+12025550100"),
        (" +1 (202) 555-0100 ", "+12025550100"),
        ("+44 20 7946 0018", "+442079460018"),
    ],
)
def test_a_number_is_brought_into_its_one_form(typed, kept):
    assert shapes.e164(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["2025550100", "0044 20 7946 0018", "+1202555", "+1202555010012345678", "shop", "", "+999123"],
)
def test_a_number_which_is_not_e164_is_named_with_the_next_step(typed):
    with pytest.raises(shapes.Misshapen) as told:
        shapes.e164(typed)
    assert f"“{typed}” cannot be used: " in str(told.value)
    assert "Write it with its country code, as +12025550100." in str(told.value)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+12025550100", "+1 202-555-0100"),
        ("+442079460018", "+44 20 7946 0018"),
        ("anonymous", "anonymous"),
        ("1000", "1000"),
        ("", ""),
    ],
)
def test_a_number_is_shown_as_people_read_it(number, shown):
    assert shapes.readable(number) == shown


@pytest.mark.parametrize(
    ("typed", "looked_for"),
    [
        ("+1 (202) 555-0100", "12025550100"),
        ("001 202.555.0100", "12025550100"),
        ("020 7946 0018", "2079460018"),
        ("0", "0"),
        ("SCL_12", "SCL_12"),
        ("Sales 2", "Sales 2"),
        ("-", "-"),
    ],
)
def test_a_search_finds_a_number_however_it_is_written(typed, looked_for):
    assert shapes.searched(typed) == looked_for


@pytest.mark.parametrize("typed", ["(202) 555-0100", "+1 202 555 0100", "5550100", "Sales"])
@pytest.mark.parametrize("page", ["trunk", "number"])
def test_lists_find_numbers(admin_client, page, typed):
    trunk = make_trunk()
    trunk.numbers.update(label="Sales")
    html = admin_client.get(f"/admin/telephony/{page}/", {"q": typed}).content.decode()
    assert "+1 202-555-0100" in html
    assert (
        "202-555"
        not in admin_client.get(f"/admin/telephony/{page}/", {"q": "+49 30 1"}).content.decode()
    )


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.0/28", "203.0.113.0/28"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:DB8::/32", "2001:db8::/32"),
    ],
)
def test_addresses_and_networks_are_kept(typed, kept):
    assert shapes.network(typed) == kept


@pytest.mark.parametrize("typed", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "12.0.0.0/7", "2001::/16"])
def test_an_address_list_which_would_let_everyone_in_is_refused(typed):
    with pytest.raises(shapes.Misshapen, match="call in") as told:
        shapes.network(typed)
    assert f"“{typed}”" in str(told.value)


@pytest.mark.parametrize(
    "typed", ["sip.example.com", "203.0.113.1/28", "1.2.3", "*", "1.2.3.4:5060"]
)
def test_what_is_no_address_is_refused_before_livekit_drops_it_silently(typed):
    with pytest.raises(shapes.Misshapen, match="is no address or network"):
        shapes.network(typed)


def test_a_network_with_host_bits_is_corrected_for_the_supervisor():
    with pytest.raises(shapes.Misshapen, match=r"Did you mean 203\.0\.113\.0/28\?"):
        shapes.network("203.0.113.1/28")


def trunk_form(instance: Trunk | None = None, **data) -> TrunkForm:
    inbound = {"name": "Sales", "direction": "inbound", "transport": "auto", "enabled": "on"}
    inbound |= {"allowed_addresses": "203.0.113.7"}
    return TrunkForm(inbound | data, instance=instance)


def saved(form: TrunkForm) -> Trunk:
    assert form.is_valid(), form.errors
    return form.save()


def test_an_inbound_trunk_nobody_guards_is_refused():
    form = trunk_form(allowed_addresses="")
    assert "Anybody could call in" in form.errors["allowed_addresses"][0]


def test_digest_authentication_guards_as_well():
    assert trunk_form(allowed_addresses="", auth_username="user", password="secret").is_valid()


@pytest.mark.parametrize("half", [{"auth_username": "user"}, {"password": "secret"}])
def test_half_a_login_is_refused(half):
    assert "come together" in trunk_form(**half).errors["password"][0]


def test_every_bad_line_of_an_address_list_is_named():
    form = trunk_form(allowed_addresses="203.0.113.7\n0.0.0.0/0\nhost")
    assert len(form.errors["allowed_addresses"]) == 2


def test_an_outbound_trunk_needs_host_and_number():
    form = trunk_form(direction="outbound", address="", caller_ids="")
    assert set(form.errors) == {"address", "caller_ids"}


@pytest.mark.parametrize("typed", ["sip:sip.example.com", "a@b", "host;transport=tls"])
def test_a_sip_address_in_place_of_a_host_is_explained(typed):
    form = trunk_form(direction="outbound", address=typed, caller_ids="+12025550100")
    assert "host or host:port only" in form.errors["address"][0]


def test_a_password_is_sealed_and_kept_when_left_empty():
    trunk = saved(trunk_form(auth_username="user", password=" spaced "))
    again = saved(trunk_form(instance=trunk, auth_username="user", password=""))
    assert seal.unseal(again.sealed_auth_password, keys=settings.SEAL_KEYS) == " spaced "


def test_without_a_user_name_the_password_is_forgotten():
    trunk = saved(trunk_form(auth_username="user", password="secret"))
    assert saved(trunk_form(instance=trunk, auth_username="")).sealed_auth_password == ""


def test_a_number_of_another_trunk_is_refused_by_name():
    make_trunk()
    other = make_trunk(name="Other", number="")
    form = NumberForm({"e164": "+1 202 555 0100", "trunk": other.pk})
    assert "already belongs to trunk “Sales”" in form.errors["e164"][0]


def test_a_number_of_a_foreign_trunk_on_livekit_is_refused(livekit):
    livekit.trunks["ST_theirs"] = InboundTrunkSpec(
        tag="", name="", numbers=("12025550100",), allowed_addresses=(), ringing_timeout_s=0
    )
    push.push(now=NOW, gateway=livekit)
    form = NumberForm({"e164": "+12025550100", "trunk": make_trunk(number="").pk})
    assert "ST_theirs on LiveKit, not ours" in form.errors["e164"][0]


def rule_form(*trunks: Trunk, instance=None, **data) -> DispatchRuleForm:
    project = data.pop("project", None) or make_project(slug="other")
    defaults = {"name": "Second", "project": project.pk, "enabled": "on"}
    return DispatchRuleForm(defaults | {"trunks": [t.pk for t in trunks]} | data, instance=instance)


def test_a_trunk_which_another_rule_answers_is_refused_by_name():
    rule = make_rule(make_trunk())
    form = rule_form(rule.trunks.get())
    assert "Rule “Sales line” already answers “Sales”" in form.errors["trunks"][0]


def test_a_rule_does_not_conflict_with_itself_nor_with_one_switched_off():
    rule = make_rule(make_trunk())
    trunk = rule.trunks.get()
    assert rule_form(trunk, instance=rule, name="Renamed").is_valid()
    rule.enabled = False
    rule.save()
    assert rule_form(trunk, project=rule.project).is_valid()


def test_a_rule_without_trunks_is_refused():
    assert "trunks" in rule_form().errors


def trunk_page(**data) -> dict[str, str]:
    inline = {"numbers-TOTAL_FORMS": "1", "numbers-INITIAL_FORMS": "0"}
    fields = {
        "name": "Sales", "direction": "inbound", "enabled": "on", "transport": "auto",
        "allowed_addresses": "127.0.0.1", "caller_ids": "", "address": "", "auth_username": "",
        "numbers-0-e164": "+1 202 555 0100", "numbers-0-label": "",
    }  # fmt: skip
    return inline | fields | data


def test_saving_a_trunk_pushes_it(
    admin_client, livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post("/admin/telephony/trunk/add/", trunk_page())
    assert answer.status_code == 302
    (spec,) = livekit.lines.values()
    assert spec.numbers == ("+12025550100", "12025550100")
    page = admin_client.get("/admin/telephony/trunk/").content.decode()
    assert "On LiveKit" in page


def test_an_inbound_trunk_without_a_number_is_refused(admin_client):
    answer = admin_client.post("/admin/telephony/trunk/add/", trunk_page(**{"numbers-0-e164": ""}))
    assert "Add at least one number." in answer.content.decode()
    assert not Trunk.objects.exists()


def test_deleting_a_trunk_withdraws_it(
    admin_client, livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    trunk = make_trunk()
    push.push(now=NOW, gateway=livekit)
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(f"/admin/telephony/trunk/{trunk.pk}/delete/", {"post": "yes"})
    assert livekit.lines == {}


def test_saving_a_number_pushes_its_trunk(
    admin_client, livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    trunk = make_trunk()
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(
            "/admin/telephony/number/add/", {"e164": "+12025550101", "trunk": trunk.pk, "label": ""}
        )
    assert Number.objects.count() == 2
    (spec,) = livekit.lines.values()
    assert len(spec.numbers) == 4


def test_saving_a_rule_pushes_it_with_its_trunks(
    admin_client, livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    trunk = make_trunk()
    rule = make_rule(trunk)
    DispatchRule.objects.all().delete()
    fields = {"name": "Line", "project": rule.project_id, "trunks": [trunk.pk], "enabled": "on"}
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post("/admin/telephony/dispatchrule/add/", fields)
    (spec,) = livekit.answers.values()
    assert spec.trunk_ids == tuple(livekit.lines)


@pytest.mark.parametrize("model", ["trunk", "number", "dispatchrule", "inboundevent"])
def test_the_desk_opens(model, admin_client):
    make_rule()
    assert admin_client.get(f"/admin/telephony/{model}/").status_code == 200


def test_a_stored_password_is_on_no_page(admin_client):
    trunk = saved(trunk_form(auth_username="user", password="hunter2-secret"))
    Number.objects.create(e164="+12025550100", trunk=trunk)
    page = admin_client.get(f"/admin/telephony/trunk/{trunk.pk}/change/").content.decode()
    assert "hunter2" not in page
    assert trunk.sealed_auth_password not in page


# --- what carriers want -------------------------------------------------------------------------


def test_what_a_carrier_wants_is_kept_and_pushed():
    form = trunk_form(
        allowed_addresses="127.0.0.1", media_encryption="require", codecs=["PCMA", "G722"],
        include_headers="x", header_attributes="X-Account = account",
    )  # fmt: skip
    assert form.errors == {}
    trunk = form.save()
    trunk.numbers.create(e164="+12025550100")
    spec = wanted.trunk(trunk).spec
    assert isinstance(spec, InboundTrunkSpec)
    assert (spec.encryption, spec.codecs, spec.include_headers) == (
        "require",
        ("PCMA", "G722"),
        "x",
    )
    assert spec.header_attributes == (("X-Account", "account"),)


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("header_attributes", "Via = via", "belongs to the call itself"),
        ("header_attributes", "X Account = a", "is no name of a SIP header"),
        ("header_attributes", "X-A = a b", "is no name: letters"),
        ("header_attributes", "X-Account", "has no ="),
        ("header_attributes", "\n".join(f"X-{i} = a{i}" for i in range(21)), "at most 20"),
        ("codecs", ["OPUS"], "not one of the available choices"),
        ("destination_country", "D1", "Write its two letters"),
        ("from_host", "sip:example.com", "is no host"),
    ],
)
def test_what_no_carrier_can_want_is_told(field, typed, words):
    form = trunk_form(allowed_addresses="127.0.0.1", **{field: typed})
    told = " ".join(map(str, form.errors.get(field, [])))
    assert words in told
    assert bool(told) == bool(words)
