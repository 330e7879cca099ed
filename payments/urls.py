"""The API's addresses of payments, refunds and settlements."""

from django.urls import path, re_path

from payments import views
from payments.balances import views as balances
from payments.exchanging.views import ExchangePreviewView
from payments.granting.views import RefundPreviewView, RefundRequestsView
from payments.invoicing.views import InvoiceDocumentView, InvoicesView, InvoiceView, OrderInvoicesView
from payments.models.balance import CARDS_BEGIN_WITH
from payments.statements.views import SettlementsView, StatementRemarksView, StatementsView, StatementView

urlpatterns = [
    re_path("^orders/(?P<number>[0-9]{16})/payments$", views.OrderMoneyView.as_view(), name="order-payments"),
    re_path(
        "^orders/(?P<number>[0-9]{16})/refund-requests$", RefundRequestsView.as_view(), name="order-refund-requests"
    ),
    path("settlements", SettlementsView.as_view(), name="settlements"),
    path("statements", StatementsView.as_view(), name="statements"),
    re_path(r"^statements/(?P<number>[^/\x00]{1,40})$", StatementView.as_view(), name="statement"),
    re_path(
        r"^statements/(?P<number>[^/\x00]{1,40})/remarks$", StatementRemarksView.as_view(), name="statement-remarks"
    ),
    re_path("^orders/(?P<number>[0-9]{16})/invoices$", OrderInvoicesView.as_view(), name="order-invoices"),
    path("invoices", InvoicesView.as_view(), name="invoices"),
    re_path("^invoices/(?P<number>[0-9A-Z-]{4,32})$", InvoiceView.as_view(), name="invoice"),
    re_path("^invoices/(?P<number>[0-9A-Z-]{4,32})/document$", InvoiceDocumentView.as_view(), name="invoice-document"),
    path("exchanges/preview", ExchangePreviewView.as_view(), name="exchange-preview"),
    path("refunds/preview", RefundPreviewView.as_view(), name="refund-preview"),
    path("payments", views.PaymentsView.as_view(), name="payments"),
    re_path("^payments/(?P<number>[0-9A-Z-]{18,32})$", views.PaymentView.as_view(), name="payment"),
    path("gift-cards", balances.GiftCardsView.as_view(), name="gift-cards"),
    path("gift-cards/look-up", balances.GiftCardLookUpView.as_view(), name="gift-card-look-up"),
    re_path(
        rf"^gift-cards/(?P<number>{CARDS_BEGIN_WITH}[0-9]{{10,18}})$", balances.GiftCardView.as_view(), name="gift-card"
    ),
    re_path(
        rf"^gift-cards/(?P<number>{CARDS_BEGIN_WITH}[0-9]{{10,18}})/movements$",
        balances.MovementsView.as_view(),
        name="gift-card-movements",
    ),
    path("points-accounts", balances.PointsAccountsView.as_view(), name="points-accounts"),
    re_path(
        "^points-accounts/(?P<number>PT[0-9]{10,18})$", balances.PointsAccountView.as_view(), name="points-account"
    ),
    re_path(
        "^points-accounts/(?P<number>PT[0-9]{10,18})/movements$",
        balances.PointsMovementsView.as_view(),
        name="points-movements",
    ),
    path("refunds", views.RefundsView.as_view(), name="refunds"),
    re_path("^refunds/(?P<number>[0-9A-Z-]{18,32})$", views.RefundView.as_view(), name="refund"),
    re_path("^refunds/(?P<number>[0-9A-Z-]{18,32})/answer$", views.RefundAnswerView.as_view(), name="refund-answer"),
]
