"""The sidebar names every page, and shows each user his own."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from contactcenter.sidebar import GROUPS

pytestmark = pytest.mark.db


def test_every_page_is_in_one_group():
    named = [label for pages in GROUPS.values() for label in pages]
    assert sorted(named) == sorted(model._meta.label_lower for model in admin.site._registry)


def links(client):
    page = client.get(reverse("admin:index")).content.decode()
    sidebar = page.partition('id="nav-sidebar-apps"')[2].partition('id="main"')[0]
    return re.findall(r'href="(/admin/[a-z]+/[a-z]+/)"', sidebar)


def test_a_supervisor_sees_what_he_may_see(client, django_user_model):
    user = django_user_model.objects.create_user("ann", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_call"))
    client.force_login(user)

    assert set(links(client)) == {"/admin/telephony/call/"}


def test_one_who_may_all_finds_every_page(admin_client):
    assert len(set(links(admin_client))) == len(admin.site._registry)


def test_the_first_page_has_the_same_groups(admin_client):
    shown = admin_client.get(reverse("admin:index")).context["app_list"]

    assert [group["name"] for group in shown] == list(GROUPS)
    assert sum(len(group["models"]) for group in shown) == len(admin.site._registry)


@pytest.mark.parametrize("page", ["trunk", "batch", "outboundcall", "carrierhook", "apikey"])
def test_an_empty_list_says_what_it_is_for(admin_client, page):
    shown = admin_client.get(reverse(f"admin:telephony_{page}_changelist"))
    assert str(shown.context["cl"].model_admin.when_empty) in shown.content.decode()
