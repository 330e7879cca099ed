"""The people of a merchant: who is invited, what they may do, who leaves. A merchant always keeps an administrator."""

from django.contrib.auth import get_user_model
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.models import OneTimePassword
from oms.merchants.joining.roles import Role
from oms.merchants.models import Merchant, MerchantEvent, MerchantUser

MOST = 100


class Taken(OmsError):
    """The code or the login name belongs to somebody else."""

    code = "taken"


class LastAdministrator(OmsError):
    """Nobody could invite or change anybody any more."""

    code = "last_administrator"


class TooManyPeople(OmsError):
    """The merchant has as many logins as it may have."""

    code = "too_many_people"


def add(merchant: Merchant, username: str, *, role: str = Role.ADMINISTRATOR, email: str = "") -> str:
    """Make a login of the merchant, without any right among staff; returns its password, which is shown once and must
    be changed at the first log-in. Raises Taken, and OmsError for a name that is none."""
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError as error:
        raise OmsError(" ".join(error.messages), attr="username") from error
    password = get_random_string(16)
    try:
        with transaction.atomic():
            user = get_user_model().objects.create_user(username, email=email, password=password)
    except IntegrityError as error:
        text = _("The login name %(name)s is taken.") % {"name": username}
        raise Taken(text, attr="username") from error
    OneTimePassword.objects.create(user=user)
    MerchantUser.objects.create(user=user, merchant=merchant, role=role)
    return password


@transaction.atomic
def invite(merchant: Merchant, username: str, *, role: str, actor: str) -> str:
    """A colleague of that role; returns the one-time password. Raises Taken, TooManyPeople and OmsError."""
    _lock(merchant)
    if merchant.users.count() >= MOST:
        raise TooManyPeople(_("A merchant has at most %(most)d people. Remove somebody first.") % {"most": MOST})
    password = add(merchant, username, role=role)
    _note(merchant, MerchantEvent.Kind.PERSON_ADDED, actor, f"{username}: {role}")
    return password


@transaction.atomic
def change_role(merchant: Merchant, person_id: int, *, role: str, actor: str) -> None:
    """Give a colleague another role, from now on. Raises LastAdministrator, and DoesNotExist for nobody of theirs."""
    _lock(merchant)
    person = merchant.users.select_related("user").get(pk=person_id)
    if role == person.role:
        return
    _check_administrators(merchant, person)
    MerchantUser.objects.filter(pk=person.pk).update(role=role)
    _note(merchant, MerchantEvent.Kind.PERSON_CHANGED, actor, f"{person.user.get_username()}: {role}")


@transaction.atomic
def remove(merchant: Merchant, person_id: int, *, actor: str) -> None:
    """Lock a colleague out, at once. Raises LastAdministrator, and DoesNotExist for nobody of theirs."""
    _lock(merchant)
    person = merchant.users.select_related("user").get(pk=person_id)
    _check_administrators(merchant, person)
    user = person.user
    person.delete()
    user.is_active = False
    user.save(update_fields=["is_active"])
    _note(merchant, MerchantEvent.Kind.PERSON_REMOVED, actor, user.get_username())


@transaction.atomic
def new_password(merchant: Merchant, person_id: int, *, actor: str) -> str:
    """Give a colleague who forgot it another one-time password, which ends their sessions; returns it."""
    _lock(merchant)
    user = merchant.users.select_related("user").get(pk=person_id).user
    password = get_random_string(16)
    user.set_password(password)
    user.save(update_fields=["password"])
    OneTimePassword.objects.get_or_create(user=user)
    _note(merchant, MerchantEvent.Kind.PERSON_CHANGED, actor, user.get_username())
    return password


def _lock(merchant: Merchant) -> None:
    """Changes of a merchant's people come one after the other: two could take away each other's administrator."""
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)


def _check_administrators(merchant: Merchant, person: MerchantUser) -> None:
    others = merchant.users.filter(role=Role.ADMINISTRATOR, user__is_active=True).exclude(pk=person.pk)
    if person.role == Role.ADMINISTRATOR and not others.exists():
        raise LastAdministrator(_("There must be an administrator: make somebody else one first."), attr="role")


def _note(merchant: Merchant, kind: MerchantEvent.Kind, actor: str, note: str) -> None:
    MerchantEvent.objects.create(merchant=merchant, kind=kind, actor=actor[:150], note=note[:300])
