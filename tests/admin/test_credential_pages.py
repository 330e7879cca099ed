"""Staff's pages of merchants' credentials."""

from typing import Any

from django.test import Client
from django.urls import reverse

from oms.merchants.calls import credentials
from oms.merchants.models import ApiCredential
from tests import factories
from tests.admin.conftest import client_of


def test_a_secret_and_a_token_are_shown_once(shop: factories.Shop, boss: Client) -> None:
    path = reverse("admin:merchants_apicredential_add")
    form = {"merchant": shop.merchant.pk, "name": "erp", "scopes": ["orders.read"], "with_token": "on"}
    response = boss.post(path, {**form, "allowed_networks": "10.0.0.0/8\n203.0.113.7"})

    secret, token = response.context["secret"], response.context["token"]
    assert secret in response.content.decode()
    assert token in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    credential = ApiCredential.objects.get(name="erp")
    assert credential.token_hash == ApiCredential.hash_token(token)
    assert credential.scopes == ["orders.read"]
    assert credential.allowed_networks == ["10.0.0.0/8", "203.0.113.7"]
    page = boss.get(reverse("admin:merchants_apicredential_change", args=[credential.pk])).content.decode()
    for hidden in (secret, token, credential.token_hash, credential.secrets.get().encrypted):
        assert hidden not in page
    assert secret[-4:] in page


def test_a_network_that_is_none_is_refused(shop: factories.Shop, boss: Client) -> None:
    form = {"merchant": shop.merchant.pk, "name": "erp", "scopes": ["orders.read"], "allowed_networks": "10.0.0.0/8 x"}
    page = boss.post(reverse("admin:merchants_apicredential_add"), form).content.decode()
    assert "x is no address or network" in page
    assert not ApiCredential.objects.exists()


def test_secrets_are_changed_over_and_the_credential_revoked(shop: factories.Shop, boss: Client) -> None:
    issued = credentials.issue(shop.merchant, "erp")
    key = issued.credential.pk
    old = factories.SignedClient(issued.credential.app_key, issued.secret)

    def act(name: str, *more: int) -> Any:
        return boss.post(reverse(f"admin:merchants_apicredential_{name}", args=[key, *more]), follow=True)

    secret = act("add_secret").context["secret"]
    new = factories.SignedClient(issued.credential.app_key, secret)
    assert [client.get("/api/v1/orders").status_code for client in (old, new)] == [200, 200]
    assert "Retire one before you add another" in act("add_secret").content.decode()
    act("retire_secret", issued.credential.secrets.get(slot=1).pk)
    assert [client.get("/api/v1/orders").status_code for client in (old, new)] == [401, 200]
    act("revoke")
    assert new.get("/api/v1/orders").status_code == 401
    assert "was revoked" in act("add_secret").content.decode()
    assert boss.get(reverse("admin:merchants_apicredential_revoke", args=[key])).status_code == 405


def test_who_may_only_look_at_credentials_changes_none(shop: factories.Shop) -> None:
    issued = credentials.issue(shop.merchant, "erp")
    reader = client_of("view_apicredential")
    page = reverse("admin:merchants_apicredential_change", args=[issued.credential.pk])
    assert "Revoke the credential" not in reader.get(page).content.decode()
    assert reader.post(reverse("admin:merchants_apicredential_revoke", args=[issued.credential.pk])).status_code == 403
    assert ApiCredential.objects.get().is_active
