"""What people do with a wave: start it, or dissolve it."""

from django.db import connection, transaction
from django.utils.translation import gettext as _

from logistics.floor.gathering import end_waves
from logistics.floor.telling import Told, tell
from logistics.floor.trouble import NotNow
from logistics.models import Wave
from logistics.warehouses.notices import Notice


def _lock(wave_id: int) -> Wave:
    """Raises DoesNotExist, and NotNow for one that is over."""
    wave = Wave.objects.select_for_update(no_key=True).get(pk=wave_id)
    if wave.over_at is not None:
        raise NotNow(_("The wave is over."))
    return wave


@transaction.atomic
def start(wave_id: int) -> int:
    """Its goods are being picked; returns how many warehouse orders it has. Raises NotNow for one that is over."""
    wave = _lock(wave_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.connection_id, w.number FROM logistics_picktask t
            JOIN logistics_warehouseorder w ON w.id = t.warehouse_order_id
            WHERE t.wave_id = %s AND t.checked_at IS NULL AND t.dropped_at IS NULL ORDER BY t.slot
            """,
            [wave_id],
        )
        rows = cursor.fetchall()
        if wave.picking_at is None:
            cursor.execute("UPDATE logistics_wave SET picking_at = now() WHERE id = %s", [wave_id])
    tell([Told(link, number, Notice.PICKING) for link, number in rows])
    return len(rows)


@transaction.atomic
def dissolve(wave_id: int) -> int:
    """Give back what nobody has begun to check, to be gathered anew; returns how many. Raises NotNow once it is
    picked, or over."""
    wave = _lock(wave_id)
    if wave.picking_at is not None:
        raise NotNow(_("Its goods are being picked already."))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_picktask SET wave_id = NULL, slot = NULL
            WHERE wave_id = %s AND checking_since IS NULL AND dropped_at IS NULL
            """,
            [wave_id],
        )
        given_back = cursor.rowcount
    end_waves()
    return given_back
