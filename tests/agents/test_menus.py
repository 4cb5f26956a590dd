"""Menus from the admin into the plan: what is refused, what is frozen, what the pages show."""

import pytest

from agents import services
from agents.menus import Menu, Option, Page, menu_problems, outline
from agents.models import DigitPurpose, FaqEntry, MenuOption, MenuPage, Project
from agents.plan import CallPlan
from tests.agents.pages import new_row, shown
from tests.factories import make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def make_menu(project: Project, name: str = "Start", **values) -> MenuPage:
    values = {"announcement": f"This is {name}.", "position": project.menus.count()} | values
    return MenuPage.objects.create(project=project, name=name, **values)


def make_option(page: MenuPage, digit: str, does: str = "end", **values) -> MenuOption:
    return MenuOption.objects.create(page=page, digit=digit, does=does, **values)


@pytest.fixture
def project():
    """Answers with a menu of two pages, complete."""
    project = make_project(kind="menu_speech")
    start, service = make_menu(project), make_menu(project, "Service", then="end")
    pin = DigitPurpose.objects.create(
        project=project, key="pin", ask="Your PIN, please.", least=4, most=4, secret=True
    )
    make_option(start, "1", "faq", faq=project.faq.get())
    make_option(start, "2", "menu", menu=service, names="service\n\n repairs ")
    make_option(service, "3", "collect", purpose=pin, menu=start)
    return project


def problems(project: Project) -> str:
    return " ".join(services.check_draft(project=project))


def test_a_menu_is_frozen_into_the_plan_and_read_again(project):
    plan = CallPlan.from_json(make_plan(project).body)
    assert plan.menu
    start, service = plan.menu.pages
    assert plan.menu.speech
    assert start.option("1") == Option(digit="1", does="faq", question="When are you open?")
    assert start.option("2") == Option(
        digit="2", does="menu", menu="Service", names=("service", "repairs")
    )
    assert service.then == "end"
    assert [(one.key, one.secret) for one in plan.purposes] == [("pin", True)]


def test_a_talking_bot_has_no_menu_in_its_plan(project):
    project.kind = "bot"
    assert services.draft(project=project).menu is None


def test_a_plan_without_any_of_it_stays_readable():
    """As a release before wrote it."""
    import json

    body = json.loads(make_plan().body)
    for name in ("menu", "purposes", "silence_prompt_2", "warn_before_s", "warning"):
        del body[name]
    plan = CallPlan.from_json(json.dumps(body))
    assert (plan.menu, plan.purposes, plan.warn_before_s) == (None, (), 0)


def test_a_complete_menu_has_no_problems(project):
    assert problems(project) == ""


def test_a_menu_project_without_menu_is_refused():
    assert "has none. Add a menu" in problems(make_project(kind="menu"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p.faq.all().delete(), "key 1: no question of the FAQ is named"),
        (lambda p: p.purposes.all().delete(), "key 3: it does not say which digits"),
        (lambda p: p.menus.get(name="Service").delete(), "key 2: no menu is named to be opened"),
        (lambda p: make_menu(p, "Lost"), "No key leads to the menu “Lost”"),
        (lambda p: make_menu(p, "Lost"), "Menu “Lost” has no keys."),
        (lambda p: p.menus.update(announcement=" "), "Menu “Start” has no announcement"),
        (lambda p: p.purposes.update(confirm=True), "are secret and would be read aloud"),
        (lambda p: p.purposes.update(least=5), "at least 5, at most 4"),
        (lambda p: p.purposes.update(ask=""), "asked for without a word"),
        (
            lambda p: make_option(p.menus.get(name="Start"), "5", names="Repairs"),
            "“Repairs” is said for the keys 2 and 5",
        ),
    ],
)  # fmt: skip
def test_what_callers_must_not_get_into_is_named(project, change, told):
    change(project)
    assert told in problems(project)


def test_a_key_twice_and_a_menu_which_is_not_there_are_named():
    """The database refuses both; a plan from elsewhere may have them."""
    twice = (Option(digit="1", does="end"), Option(digit="1", does="menu", menu="Gone"))
    menu = Menu(pages=(Page(name="A", announcement="A.", options=twice),), invalid="No.")
    told = " ".join(menu_problems(menu, set(), set()))
    assert "has the key 1 twice" in told
    assert "“Gone” does not exist" in told


def test_digits_which_are_not_said_when_read_back_are_named(project):
    project.purposes.update(confirm=True, secret=False)
    assert problems(project) == ""
    project.digits_confirm = "Is that right?"
    project.save()
    assert "“Digits read back” does not say them" in problems(project)


def test_a_warning_without_words_is_named():
    assert "The warning before the end has no words" in problems(make_project(warning=""))
    assert problems(make_project(slug="b", warning="", warn_before_s=0)) == ""


def test_the_tree_shows_where_each_key_leads(project):
    menu = services.draft(project=project).menu
    assert menu
    assert outline(menu).splitlines() == [
        "Menu “Start”: This is Start.",
        "  1  the answer to “When are you open?”",
        "  2  menu “Service”  (or says: service, repairs)",
        "     Menu “Service”: This is Service.",
        "       3  asks for the digits “pin”, then menu “Start”",
        "       0  a person (always, unless the key is used)",
        "       —  no key for 6 s: said 3 times, then the call ends",
        "  0  a person (always, unless the key is used)",
        "  —  no key for 6 s: said 3 times, then a person",
    ]


# --- pages ----------------------------------------------------------------------------------------


def test_the_project_page_links_its_menus_and_shows_their_tree(admin_client, project):
    page = admin_client.get(f"/admin/agents/project/{project.pk}/change/").content.decode()
    start = project.menus.get(name="Start")
    assert f"/admin/agents/menupage/{start.pk}/change/" in page
    assert f"/admin/agents/menupage/add/?project={project.pk}" in page
    assert "asks for the digits “pin”" in page


def test_a_project_without_menus_can_still_be_opened(admin_client):
    page = admin_client.get(f"/admin/agents/project/{make_project().pk}/change/")
    assert "None yet" in page.content.decode()
    assert admin_client.get("/admin/agents/project/add/").status_code == 200


def test_a_menu_is_made_and_gets_keys_on_its_page(admin_client, project):
    url = f"/admin/agents/menupage/add/?project={project.pk}"
    page = admin_client.get(url)
    data = new_row(page, "options", digit="7", does="answer", says="Seven.")
    data |= {"name": "More", "announcement": "Press 7.", "project": project.pk}
    assert admin_client.post(url, data).status_code == 302
    more = MenuPage.objects.get(name="More")
    assert more.options.get().says == "Seven."
    url = f"/admin/agents/menupage/{more.pk}/change/"
    page = admin_client.get(url)
    assert "No key leads to the menu “More”" in page.content.decode()
    data = new_row(page, "options", digit="7", does="end")
    refused = admin_client.post(url, data)
    assert refused.status_code == 200  # the key is taken
    assert more.options.count() == 1


def test_keys_lead_only_to_rows_of_their_own_project(admin_client, project):
    other = make_project(slug="other")
    stranger, entry = make_menu(other, "Stranger"), FaqEntry.objects.get(project=other)
    start = project.menus.get(name="Start")
    url = f"/admin/agents/menupage/{start.pk}/change/"
    page = admin_client.get(url)
    offered = page.context["inline_admin_formsets"][0].formset.forms[0].fields
    assert stranger not in offered["menu"].queryset
    assert entry not in offered["faq"].queryset
    data = shown(page) | {"options-0-menu": stranger.pk}
    assert admin_client.post(url, data).status_code == 200
    assert not MenuOption.objects.filter(menu=stranger).exists()


def test_the_list_of_menus_asks_as_little_for_many_as_for_one(
    admin_client, project, django_assert_max_num_queries
):
    for n in range(30):
        make_menu(project, f"Menu {n}")
    with django_assert_max_num_queries(12):
        assert admin_client.get("/admin/agents/menupage/").status_code == 200
