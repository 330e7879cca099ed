"""Who may call the API."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import close_old_connections, connection
from django.utils import timezone
from rest_framework.test import APIClient

from oms.merchants.calls import credentials
from oms.merchants.models import ApiCredential, Merchant
from orders.models import Order
from tests import factories
from tests.api.calls import ORDERS, errors_of, send

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dTpw", "Token x", "Bearer a b", "Bearer \xff", "x" * 5000],
)
def test_without_a_valid_token_there_is_401(shop, header):
    client = APIClient(raise_request_exception=False)
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)

    for response in (client.get(ORDERS), send(client, shop.body())):
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'OMS1-HMAC-SHA256 realm="OMS API", Bearer realm="OMS API"'
        assert errors_of(response) <= {(None, "not_authenticated"), (None, "authentication_failed")}
    assert not Order.objects.exists()


def test_a_session_of_staff_is_no_token(client, admin_user):
    client.force_login(admin_user)
    assert client.get(ORDERS).status_code == 401


def test_a_withdrawn_token_is_401(api, shop):
    assert api.get(ORDERS).status_code == 200
    credentials.revoke(ApiCredential.objects.get().pk)
    response = api.get(ORDERS)
    assert (response.status_code, errors_of(response)) == (401, {(None, "credential_revoked")})


@pytest.mark.parametrize("status", [Merchant.Status.SUSPENDED, Merchant.Status.PENDING])
def test_a_merchant_that_is_not_active_is_401(api, shop, status):
    Merchant.objects.filter(pk=shop.merchant.pk).update(status=status)
    response = api.get(ORDERS)
    assert (response.status_code, errors_of(response)) == (401, {(None, f"merchant_{status}")})


def test_the_scheme_is_read_in_any_case(shop):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"bearer {factories.token_of(shop.merchant)}")
    assert client.get(ORDERS).status_code == 200


def test_the_token_is_kept_as_a_hash_only(shop):
    token = factories.token_of(shop.merchant)
    credential = ApiCredential.objects.get()
    assert token not in str([getattr(credential, field.name) for field in ApiCredential._meta.fields])
    assert token.startswith(credential.prefix)


def test_last_use_is_written_once_a_minute(api, shop, django_assert_num_queries):
    with django_assert_num_queries(4):
        api.get(ORDERS)
    first = ApiCredential.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(3):
        api.get(ORDERS)
    assert ApiCredential.objects.get().last_used_at == first

    ApiCredential.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    api.get(ORDERS)
    assert ApiCredential.objects.get().last_used_at > first


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_closed_is_noticed_before_the_next_call():
    client = factories.client_of(factories.make_shop().merchant)
    connection.ensure_connection()
    kept = connection.connection.info.backend_pid
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_end_backend, kept).result(20)

    close_old_connections()  # what Django does at the start of a request, but not for its test client
    assert client.get(ORDERS).status_code == 200
    assert connection.connection.info.backend_pid != kept


def _end_backend(backend):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
    connection.close()


def test_create_token_prints_a_token_that_works(shop):
    out = StringIO()
    call_command("create_token", shop.merchant.code, name="warehouse", stdout=out)

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {out.getvalue().strip()}")
    assert client.get(ORDERS).status_code == 200
    assert ApiCredential.objects.get().name == "warehouse"


def test_create_token_names_what_is_wrong(shop):
    with pytest.raises(CommandError, match="no merchant NOBODY"):
        call_command("create_token", "NOBODY")
    with pytest.raises(CommandError, match="1 to 80"):
        call_command("create_token", shop.merchant.code, name="")
    assert not ApiCredential.objects.exists()
