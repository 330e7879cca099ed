"""What the database holds of invoices: lines add up to their invoice and never change, red never exceeds blue."""

from oms.common.postgresql.appending import append_only
from oms.common.states import listed
from payments.models import DEAD_INVOICES, LineProperty

_WHOLE, _COUNTED = "payments_invoice_whole", "payments_invoiceline_counted"

# Of every blue line (alias `l`, its invoice `i`) with its discount, less what red lines take back: nothing is below 0.
LEFT = f"""
    SELECT l.id, l.invoice_id,
        l.net_amount + coalesce(o.net, 0) AS net, l.tax_amount + coalesce(o.tax, 0) AS tax,
        l.amount + coalesce(o.gross, 0) AS gross, l.quantity + coalesce(o.quantity, 0) AS units
    FROM payments_invoiceline l CROSS JOIN LATERAL (
        SELECT sum(d.net_amount) AS net, sum(d.tax_amount) AS tax, sum(d.amount) AS gross, sum(d.quantity) AS quantity
        FROM payments_invoiceline d JOIN payments_invoice di ON di.id = d.invoice_id
        WHERE d.of_line_id = l.id AND di.state NOT IN ({listed(DEAD_INVOICES)})) AS o
    WHERE l.of_line_id IS NULL AND {{which}}
"""


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers."""
    return f"""
        CREATE OR REPLACE FUNCTION {_WHOLE}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT (count(*), coalesce(sum(net_amount), 0), coalesce(sum(tax_amount), 0))
                FROM payments_invoiceline WHERE invoice_id = NEW.id)
                IS DISTINCT FROM (NEW.line_count::bigint, NEW.net_amount, NEW.tax_amount) THEN
                RAISE EXCEPTION 'invoice % is not what its lines come to', NEW.number
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{_WHOLE}', TABLE = TG_TABLE_NAME;
            END IF;
            IF NEW.is_red THEN
                -- One after the other, so that two red ones see each other.
                PERFORM FROM payments_invoice WHERE id = NEW.of_invoice_id FOR UPDATE;
                IF EXISTS (SELECT FROM ({LEFT.format(which="l.invoice_id = NEW.of_invoice_id")}) AS r
                           WHERE r.net < 0 OR r.tax < 0 OR r.gross < 0)
                   OR EXISTS (SELECT FROM payments_invoiceline l JOIN payments_invoiceline b ON b.id = l.of_line_id
                              WHERE l.invoice_id = NEW.id AND (b.invoice_id <> NEW.of_invoice_id
                                  OR b.property = {LineProperty.DISCOUNT.value})) THEN
                    RAISE EXCEPTION 'red invoice % takes back more than there is', NEW.number
                        USING ERRCODE = 'check_violation', CONSTRAINT = '{_WHOLE}', TABLE = TG_TABLE_NAME;
                END IF;
            END IF;
            RETURN NULL;
        END $$;
        DROP TRIGGER IF EXISTS {_WHOLE} ON payments_invoice;
        CREATE CONSTRAINT TRIGGER {_WHOLE} AFTER INSERT ON payments_invoice
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {_WHOLE}();
        -- A line more than were counted could come after the commit that looked at them.
        CREATE OR REPLACE FUNCTION {_COUNTED}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.position < 1
               OR NEW.position > (SELECT line_count FROM payments_invoice WHERE id = NEW.invoice_id) THEN
                RAISE EXCEPTION 'invoice % has no line %', NEW.invoice_id, NEW.position
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{_COUNTED}', TABLE = TG_TABLE_NAME;
            END IF;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER {_COUNTED} AFTER INSERT ON payments_invoiceline
            FOR EACH ROW EXECUTE FUNCTION {_COUNTED}();
        {append_only("payments_invoiceline")}
        {append_only("payments_invoicestep")}
    """
