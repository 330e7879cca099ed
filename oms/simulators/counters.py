"""The pages on which a person plays the buyer: the trades of a peer, and one trade with a button to pay it."""

import html
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from oms.common.money import fen_text
from oms.simulators import books
from oms.simulators.books import Book, BookError, Trade
from oms.simulators.wsgi import Request, Response, page, redirect

AUTOMATIC = "automatic"
_WORDS = {
    books.WAITING: "等待付款 · waiting",
    books.PAID: "已付款 · paid",
    books.CLOSED: "已关闭 · closed",
    "not_found": "没有这笔交易 · no such trade",
}


class Shown(Protocol):
    """What the pages need of a peer."""

    book: Book
    address: str

    def code_of(self, trade: Trade) -> str:
        """What the QR code of a trade holds."""


def new_code(prefix: str) -> str:
    """What nobody guesses."""
    return f"{prefix}{secrets.token_urlsafe(16)}"


def serve(peer: Shown, title: str, request: Request) -> Response:
    """Answer a person's browser."""
    match [part for part in request.path.split("/") if part], request.method:
        case [], "GET":
            return _list(peer, title)
        case ["automatic"], "POST":
            peer.book.set(AUTOMATIC, request.form.get("to", "on"))
            return redirect(f"{peer.address}/")
        case ["qr", code], "GET":
            return _with_trade(peer, title, code, lambda trade: _show(peer, title, peer.book.scan(trade.number)))
        case ["qr", code, "pay"], "POST":
            return _with_trade(peer, title, code, lambda trade: _pay(peer, title, trade))
    return Response(b"not found", 404)


def is_automatic(book: Book) -> bool:
    """Whether buyers pay by themselves."""
    return book.setting(AUTOMATIC, "on") == "on"


def _with_trade(peer: Shown, title: str, code: str, do: Callable[[Trade], Response]) -> Response:
    try:
        return do(peer.book.by_code(code))
    except BookError:
        return page(title, f"<p>{_WORDS['not_found']}</p>")


def _list(peer: Shown, title: str) -> Response:
    on = is_automatic(peer.book)
    rows = "".join(
        f'<tr><td><a href="{html.escape(peer.code_of(trade))}">{html.escape(trade.number)}</a></td>'
        f"<td>{fen_text(trade.fen)}</td><td>{_WORDS[trade.status]}</td></tr>"
        for trade in peer.book.newest_trades()
    )
    switch = (
        f'<form method="post" action="{html.escape(peer.address)}/automatic">'
        f"<p>买家自动付款 · buyers pay by themselves: {'是 · yes' if on else '否 · no'} "
        f'<button name="to" value="{"off" if on else "on"}">{"停 · stop" if on else "开始 · start"}</button></p></form>'
    )
    return page(title, f"{switch}<table><tr><th>单号 · number</th><th>元 · yuan</th><th></th></tr>{rows}</table>")


def _show(peer: Shown, title: str, trade: Trade) -> Response:
    button = ""
    if trade.status == books.WAITING:
        pay = f"{html.escape(peer.code_of(trade))}/pay"
        button = f'<form method="post" action="{pay}"><button>付款 · Pay</button></form>'
    elif trade.return_url:
        button = f'<p><a href="{html.escape(trade.return_url)}">返回 · back</a></p>'
    lines = f"<p>{html.escape(trade.subject)}</p><p><b>¥ {fen_text(trade.fen)}</b></p><p>{_WORDS[trade.status]}</p>"
    return page(title, lines + button)


def _pay(peer: Shown, title: str, trade: Trade) -> Response:
    with suppress(BookError):  # the page says how it stands
        peer.book.pay(trade.number)
    return redirect(peer.code_of(trade))
