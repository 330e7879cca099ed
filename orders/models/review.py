"""What the review goes by, kept as data: rules, the lists that they look into, and what they decided."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models import RuleSetVersion, Versioned
from oms.common.phones import PhoneField, normal_form
from orders.models.order import Order

# Approvals have the levels 1 to this one; each is a right of its own.
MOST_LEVEL = 3


class Outcome(models.TextChoices):
    """What a review rule does to the orders that it fits."""

    PASS = "pass", _("Let it pass")
    WAIT = "wait", _("Look again later")
    HOLD = "hold", _("Hold it")
    APPROVAL = "approval", _("Hold it for an approval")
    REJECT = "reject", _("Cancel it")


# What these say is a hold of the order.
HOLDING = (Outcome.HOLD, Outcome.APPROVAL)


class ReviewRuleSet(RuleSetVersion):
    """A version of all review rules; at most one is active. Without any, the review lets everything pass."""

    name = models.CharField(
        _("name"), max_length=80, blank=True, default="", help_text=_("What is new in it; may stay empty.")
    )

    class Meta(RuleSetVersion.Meta):
        verbose_name = _("version of the review rules")
        verbose_name_plural = _("review rules")
        permissions = [("activate_reviewruleset", _("Can switch review rules on and off"))]
        constraints = [
            *RuleSetVersion.Meta.constraints,
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="active"), name="review_rule_set_one_is_active"
            ),
        ]

    def __str__(self) -> str:
        number = _("Version %(number)s") % {"number": self.pk}
        return f"{number} · {self.name}" if self.name else number


class ReviewRule(Versioned):
    """A rule of a version, on what becomes of orders in review.

    `condition` is a tree, see `orders.reviewing.tree`. Rules go by priority, 1 first: one that lets an order pass stops
    the weaker ones. `code` is that of a shipped rule, under which it is called unless somebody named it. `key` is the
    same for a rule in all versions, so that what a person released under one stays released under the next.
    """

    rule_set = models.ForeignKey(
        ReviewRuleSet, verbose_name=_("version"), on_delete=models.CASCADE, related_name="rules"
    )
    key = models.UUIDField(_("key"), default=uuid.uuid4, editable=False)
    name = models.CharField(
        _("name"),
        max_length=80,
        blank=True,
        default="",
        help_text=_("Empty: a shipped rule is called by what it does."),
    )
    code = models.CharField(_("shipped as"), max_length=30, blank=True, default="", editable=False)
    priority = models.PositiveSmallIntegerField(
        _("priority"), default=10, validators=[MinValueValidator(1)], help_text=_("1 is the strongest.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    merchants = ArrayField(
        models.CharField(max_length=40),
        verbose_name=_("merchants"),
        blank=True,
        default=list,
        help_text=_("Whose channels sent the order, codes by commas. Empty: any."),
    )
    channels = ArrayField(
        models.CharField(max_length=81),
        verbose_name=_("channels"),
        blank=True,
        default=list,
        help_text=_("MERCHANT/CHANNEL, codes by commas. Empty: any."),
    )
    condition = models.JSONField(_("condition"), default=dict)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.HOLD)
    level = models.PositiveSmallIntegerField(
        _("approval level"), default=0, help_text=_("For: an approval. 1 to 3; who may approve a level, a right says.")
    )
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)
    changed_by = models.CharField(_("changed by"), max_length=80, blank=True, default="", editable=False)

    class Meta:
        verbose_name = _("review rule")
        verbose_name_plural = _("review rules")
        ordering = ["priority", "id"]
        permissions = [("rehearse_reviewrule", _("Can rehearse review rules"))]
        constraints = [
            models.UniqueConstraint(
                fields=["rule_set", "name"],
                condition=~Q(name=""),
                name="review_rule_name_is_unique",
                violation_error_message=_("Another rule of this version has this name: give another."),
            ),
            models.UniqueConstraint(
                fields=["rule_set", "code"],
                condition=~Q(code=""),
                name="review_rule_is_shipped_once",
                violation_error_message=_("This rule is in the version already."),
            ),
            models.UniqueConstraint(fields=["rule_set", "key"], name="review_rule_is_once_in_a_version"),
            models.CheckConstraint(
                condition=~Q(name="") | ~Q(code=""),
                name="review_rule_is_called_something",
                violation_error_message=_("Give the rule a name."),
            ),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="review_rule_outcome_is_known"),
            models.CheckConstraint(
                condition=Q(outcome=Outcome.APPROVAL, level__gte=1, level__lte=MOST_LEVEL)
                | ~Q(outcome=Outcome.APPROVAL) & Q(level=0),
                name="review_rule_has_a_level_for_an_approval",
                violation_error_message=_("An approval has a level from 1 to 3; other outcomes have level 0."),
            ),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_until__isnull=True) | Q(valid_from__lt=F("valid_until")),
                name="review_rule_ends_after_it_begins",
                violation_error_message=_("It must end after it begins."),
            ),
        ]

    def __str__(self) -> str:
        from orders.actors import word

        return self.name or word(self.code)

    @property
    def called(self) -> str:
        """What it acts under: its name, or its code."""
        return self.name or self.code


class ReviewList(models.Model):
    """A list that review rules look into."""

    class Kind(models.TextChoices):
        PEOPLE = "people", _("Phones, addresses, buyers")
        WORDS = "words", _("Words")

    code = models.SlugField(_("code"), max_length=30, unique=True)
    name = models.CharField(
        _("name"), max_length=80, blank=True, default="", help_text=_("Empty: a shipped list is called by what it is.")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)

    class Meta:
        verbose_name = _("review list")
        verbose_name_plural = _("review lists")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["people", "words"]), name="review_list_kind_is_known"),
        ]

    def __str__(self) -> str:
        from orders.actors import word

        return self.name or word(f"list:{self.code}")


class ReviewListEntry(models.Model):
    """One phone, address, buyer or word of a list. It counts while it is active and has not expired."""

    class Kind(models.TextChoices):
        PHONE = "phone", _("Phone")
        ADDRESS = "address", _("Address")
        BUYER = "buyer", _("Buyer")
        WORD = "word", _("Word")

    OF_PEOPLE = (Kind.PHONE, Kind.ADDRESS, Kind.BUYER)

    review_list = models.ForeignKey(
        ReviewList, verbose_name=_("list"), on_delete=models.PROTECT, related_name="entries"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    phone = PhoneField(_("phone"), max_length=20, blank=True, default="")
    region_code = models.CharField(_("region code"), max_length=6, blank=True, default="")
    address = models.CharField(_("address"), max_length=200, blank=True, default="")
    address_key = models.BigIntegerField(_("address key"), null=True, blank=True, editable=False)
    text = models.CharField(
        _("buyer or word"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("As channels call the buyer; or the word."),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="")
    source = models.CharField(_("source"), max_length=80, blank=True, default="", help_text=_("Who says so."))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.CharField(_("created by"), max_length=80, blank=True, default="", editable=False)

    class Meta:
        verbose_name = _("list entry")
        verbose_name_plural = _("list entries")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["review_list", "phone"],
                condition=~Q(phone=""),
                name="review_list_has_a_phone_once",
                violation_error_message=_("The phone is on this list already."),
            ),
            models.UniqueConstraint(
                fields=["review_list", "address_key"],
                condition=Q(address_key__isnull=False),
                name="review_list_has_an_address_once",
                violation_error_message=_("The address is on this list already."),
            ),
            models.UniqueConstraint(
                fields=["review_list", "text"],
                condition=~Q(text=""),
                name="review_list_has_a_text_once",
                violation_error_message=_("The text is on this list already."),
            ),
            models.CheckConstraint(
                condition=Q(kind="phone", text="", address_key__isnull=True) & ~Q(phone="")
                | Q(kind="address", phone="", text="", address_key__isnull=False)
                | Q(kind__in=["buyer", "word"], phone="", address_key__isnull=True) & ~Q(text=""),
                name="review_list_entry_names_its_value",
                violation_error_message=_(
                    "Give the value that the list is of: a phone, an address, a buyer or a word, and nothing else."
                ),
            ),
        ]
        # Whether a buyer is on any list, for the order's page.
        indexes = [
            models.Index(fields=["phone"], condition=~Q(phone=""), name="review_entry_by_phone"),
            models.Index(fields=["text"], condition=~Q(text=""), name="review_entry_by_text"),
            models.Index(
                fields=["address_key"], condition=Q(address_key__isnull=False), name="review_entry_by_address"
            ),
        ]

    def __str__(self) -> str:
        return self.phone or self.address or self.text

    def clean(self) -> None:
        """Ask for the value of the kind, and bring it into the form in which orders are compared with it."""
        from orders.intake.addresses import address_key

        self.address_key = None
        wrong: dict[str, Any] = {}
        if self.review_list_id and (self.kind == self.Kind.WORD) != (self.review_list.kind == ReviewList.Kind.WORDS):
            wrong["kind"] = _("A list of words has words, the other lists phones, addresses and buyers.")
        number = (normal_form(self.phone) or "") if self.kind == self.Kind.PHONE else ""
        if self.kind == self.Kind.PHONE and not number:
            wrong["phone"] = _("Give the phone number.")
        self.phone = number
        self.text = self.text.strip() if self.kind in (self.Kind.BUYER, self.Kind.WORD) else ""
        if self.kind in (self.Kind.BUYER, self.Kind.WORD) and not self.text:
            wrong["text"] = _("Give the buyer or the word.")
        if self.kind == self.Kind.ADDRESS:
            if not (self.region_code and self.address):
                wrong["address"] = _("Give the region code and the address.")
            else:
                self.address_key = address_key(self.region_code, self.address)
        if wrong:
            raise ValidationError(wrong)


class ReviewDecision(models.Model):
    """What the rules found of an order at one review, and by which figures; no row where no rule fitted.

    `hits` has, from the strongest on, a rule's id, what it is called, its outcome, and its facts. `outcome` is what
    came of them all.
    """

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="review_decisions", db_constraint=False
    )
    decided_at = models.DateTimeField(_("decided at"), db_default=Now(), editable=False)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    hits = models.JSONField(_("figures"), default=list)

    class Meta:
        verbose_name = _("review decision")
        verbose_name_plural = _("review decisions")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="review_decision_outcome_is_known")
        ]

    def __str__(self) -> str:
        return str(self.get_outcome_display())
